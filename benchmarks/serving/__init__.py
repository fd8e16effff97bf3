"""What a server of the flight pipeline answers, beside other servers of the same fitted models.

    python -m benchmarks.serving                                                    all of it
    python -m benchmarks.serving --seconds 1 --rounds 1 --servers lockstep,noop     a trial

Every server runs on one core with one thread, and `wrk` on another. All of them get the same
requests, one real flight each, and are measured in turns; those that are not asked are stopped
(SIGSTOP), so that they take nothing from the one that is.
"""
