"""What crashes, full disks, power loss, lack of memory and signals do to a training: nothing.

`python -m tests.faults --help` runs the full versions and prints their figures; the tests here run samples of them.

    trainings.py      small trainings that together have every kind of state
    operations.py     graphc.runtime.files.OPS in other hands: counted, failing, deadly, logged
    kills.py          F1: kill -9 at random times and at named points
    refusals.py       F2: the n-th call of the operating system fails
    crash_order.py    F3: every state that a loss of power may leave
    allocations.py    F4: the n-th allocation fails
    interruptions.py  F5: signals and exceptions
"""
