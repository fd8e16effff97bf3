"""Serving: the live version, answering requests as they come.

A request goes from `http`, which listens, through one of the `protocols` to the version of
`versions` that answers it. What it was answered is written to the `requestlog` before it is sent,
and may be computed once more by a challenger in the `shadow`. `page` shows people how it goes.
"""
