"""What we rely on in threadpoolctl."""

import sklearn  # noqa: F401  loads the libraries that are looked for
from threadpoolctl import threadpool_info


def test_blas_and_openmp_are_described_once_scikit_learn_is_loaded() -> None:
    libraries = threadpool_info()
    assert {library["user_api"] for library in libraries} == {"blas", "openmp"}
    for library in libraries:
        assert isinstance(library["num_threads"], int)
        assert {"internal_api", "version"} <= set(library)
