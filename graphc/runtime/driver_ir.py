"""The driver's text in LLVM IR: the walk over a table, the workers' loop, and what the two share.

A pool is one block of words: a line of 64 bytes each for the owner's mark (0), what callers publish (8
generation, 9 kernel, 10 arguments, 11 workers, 12 stop), the count of a kernel's shares that are done (16) and the
next one to be taken (17), the count of sleeping workers (24), and what never changes while workers run (32 syscall,
33 sched_yield, 34 the futex call's number, 35 and 36 how often a worker and a caller look before they sleep or
yield, 37 workers wanted). Code of the C library is called through those words, so that the object code has no
unresolved symbol.

Shares are taken, not handed out: a caller whose workers the system has put aside does all of them itself.

What does not live here: compiling and calling it (driver.py), starting workers (threads.py).
"""

_PAUSE = {"x86_64": ("void @llvm.x86.sse2.pause()", "void @llvm.x86.sse2.pause()"),
          "aarch64": ("void @llvm.aarch64.hint(i32)", "void @llvm.aarch64.hint(i32 1)")}

_IR = """
; Busy-wait for %most looks at a word that is not going to change: how long does a look take?
define void @spin(ptr %word, i64 %most) {
start:
  br label %look
look:
  %n = phi i64 [ 0, %start ], [ %n1, %look ]
  %now = load atomic i64, ptr %word acquire, align 8
  call PAUSE
  %n1 = add i64 %n, 1
  %more = icmp ult i64 %n1, %most
  br i1 %more, label %look, label %out
out:
  ret void
}

; A worker: wait for a generation other than the last, take shares while there are any, wait again. A worker that
; comes late finds none left, or one of a later kernel: it reads what to run only after it has taken a share, and until
; that share is done nothing else is published.
define void @worker(ptr %pool, i64 %generation) {
start:
  %generation_at = getelementptr i64, ptr %pool, i64 8
  %kernel_at = getelementptr i64, ptr %pool, i64 9
  %args_at = getelementptr i64, ptr %pool, i64 10
  %workers_at = getelementptr i64, ptr %pool, i64 11
  %stop_at = getelementptr i64, ptr %pool, i64 12
  %finished_at = getelementptr i64, ptr %pool, i64 16
  %next_at = getelementptr i64, ptr %pool, i64 17
  %sleeping_at = getelementptr i64, ptr %pool, i64 24
  %syscall_at = getelementptr i64, ptr %pool, i64 32
  %futex_at = getelementptr i64, ptr %pool, i64 34
  %spins_at = getelementptr i64, ptr %pool, i64 35
  %syscall = load ptr, ptr %syscall_at, align 8
  %futex = load i64, ptr %futex_at, align 8
  %spins = load i64, ptr %spins_at, align 8
  br label %wait
wait:
  %seen = phi i64 [ %generation, %start ], [ %now, %take ], [ %seen, %sleep ]
  br label %look
look:
  %n = phi i64 [ 0, %wait ], [ %n1, %again ]
  %now = load atomic i64, ptr %generation_at acquire, align 8
  %changed = icmp ne i64 %now, %seen
  br i1 %changed, label %go, label %again
again:
  call PAUSE
  %n1 = add i64 %n, 1
  %more = icmp ult i64 %n1, %spins
  br i1 %more, label %look, label %sleep
sleep:
  %s0 = atomicrmw add ptr %sleeping_at, i64 1 seq_cst
  %seen32 = trunc i64 %seen to i32
  %r = call i64 (i64, ...) %syscall(i64 %futex, ptr %generation_at, i32 128, i32 %seen32, ptr null, ptr null, i32 0)
  %s1 = atomicrmw sub ptr %sleeping_at, i64 1 seq_cst
  br label %wait
go:
  %stop = load i64, ptr %stop_at, align 8
  %leave = icmp ne i64 %stop, 0
  br i1 %leave, label %out, label %take
take:
  %share = atomicrmw add ptr %next_at, i64 1 acq_rel
  %workers = load atomic i64, ptr %workers_at monotonic, align 8
  %mine = icmp sle i64 %share, %workers
  br i1 %mine, label %work, label %wait
work:
  %kernel = load ptr, ptr %kernel_at, align 8
  %args = load ptr, ptr %args_at, align 8
  %threads = add i64 %workers, 1
  call void %kernel(ptr %args, i64 %share, i64 %threads)
  %f = atomicrmw add ptr %finished_at, i64 1 release
  br label %take
out:
  ret void
}

; Begin a new generation; a system call only where a worker sleeps.
define void @wake(ptr %pool) {
start:
  %generation_at = getelementptr i64, ptr %pool, i64 8
  %sleeping_at = getelementptr i64, ptr %pool, i64 24
  %g = atomicrmw add ptr %generation_at, i64 1 seq_cst
  %sleeping = load atomic i64, ptr %sleeping_at seq_cst, align 8
  %any = icmp ne i64 %sleeping, 0
  br i1 %any, label %call, label %out
call:
  %syscall_at = getelementptr i64, ptr %pool, i64 32
  %futex_at = getelementptr i64, ptr %pool, i64 34
  %syscall = load ptr, ptr %syscall_at, align 8
  %futex = load i64, ptr %futex_at, align 8
  %r = call i64 (i64, ...) %syscall(i64 %futex, ptr %generation_at, i32 129, i32 2147483647, ptr null, ptr null, i32 0)
  br label %out
out:
  ret void
}

define i64 @acquire(ptr %pool) {
  %pair = cmpxchg ptr %pool, i64 0, i64 1 seq_cst monotonic
  %mine = extractvalue { i64, i1 } %pair, 1
  %word = zext i1 %mine to i64
  ret i64 %word
}

define void @release(ptr %pool) {
  store atomic i64 0, ptr %pool release, align 8
  ret void
}

; One kernel on all threads: publish it, run its first share and those that no worker took, wait for the others.
define internal void @share(ptr %pool, ptr %kernel, ptr %args) {
start:
  %kernel_at = getelementptr i64, ptr %pool, i64 9
  %args_at = getelementptr i64, ptr %pool, i64 10
  %workers_at = getelementptr i64, ptr %pool, i64 11
  %finished_at = getelementptr i64, ptr %pool, i64 16
  %next_at = getelementptr i64, ptr %pool, i64 17
  %yield_at = getelementptr i64, ptr %pool, i64 33
  %spins_at = getelementptr i64, ptr %pool, i64 36
  %yield = load ptr, ptr %yield_at, align 8
  %spins = load i64, ptr %spins_at, align 8
  %workers = load i64, ptr %workers_at, align 8
  %threads = add i64 %workers, 1
  store ptr %kernel, ptr %kernel_at, align 8
  store ptr %args, ptr %args_at, align 8
  store atomic i64 0, ptr %finished_at monotonic, align 8
  store atomic i64 1, ptr %next_at release, align 8
  call void @wake(ptr %pool)
  br label %run
run:
  %share = phi i64 [ 0, %start ], [ %next, %take ]
  %others = phi i64 [ %threads, %start ], [ %others1, %take ]
  call void %kernel(ptr %args, i64 %share, i64 %threads)
  br label %take
take:
  %others1 = sub i64 %others, 1
  %next = atomicrmw add ptr %next_at, i64 1 acq_rel
  %left = icmp sle i64 %next, %workers
  br i1 %left, label %run, label %look
look:
  %n = phi i64 [ 0, %take ], [ %n1, %pause ], [ %n, %long ]
  %f = load atomic i64, ptr %finished_at acquire, align 8
  %all = icmp eq i64 %f, %others1
  br i1 %all, label %out, label %not
not:
  %patient = icmp ult i64 %n, %spins
  br i1 %patient, label %pause, label %long
pause:
  call PAUSE
  %n1 = add i64 %n, 1
  br label %look
long:
  %y = call i32 %yield()
  br label %look
out:
  ret void
}

; Steps of a walk (table, entries, steps, advances, their count, status, pool): -1, or the step whose kernel wrote to
; the status word. An entry is a kernel for one thread (0), one to be shared where the pool is ours (1), or a walk (2).
; The advanced words are as before at the end.
define internal i64 @steps(ptr %walk, i1 %own) {
start:
  %entries_at = getelementptr i64, ptr %walk, i64 1
  %steps_at = getelementptr i64, ptr %walk, i64 2
  %advances_at = getelementptr i64, ptr %walk, i64 3
  %moves_at = getelementptr i64, ptr %walk, i64 4
  %status_at = getelementptr i64, ptr %walk, i64 5
  %pool_at = getelementptr i64, ptr %walk, i64 6
  %table = load ptr, ptr %walk, align 8
  %entries = load i64, ptr %entries_at, align 8
  %steps = load i64, ptr %steps_at, align 8
  %advances = load ptr, ptr %advances_at, align 8
  %moves = load i64, ptr %moves_at, align 8
  %status = load ptr, ptr %status_at, align 8
  %pool = load ptr, ptr %pool_at, align 8
  br label %step
step:
  %s = phi i64 [ 0, %start ], [ %s1, %stepped ]
  %live = icmp slt i64 %s, %steps
  br i1 %live, label %entry, label %leave
entry:
  %i = phi i64 [ 0, %step ], [ %i1, %checked ]
  %left = icmp slt i64 %i, %entries
  br i1 %left, label %launch, label %move
launch:
  %row = mul i64 %i, 3
  %kernel_at = getelementptr i64, ptr %table, i64 %row
  %args_at = getelementptr i64, ptr %kernel_at, i64 1
  %flags_at = getelementptr i64, ptr %kernel_at, i64 2
  %kernel = load ptr, ptr %kernel_at, align 8
  %args = load ptr, ptr %args_at, align 8
  %flags = load i64, ptr %flags_at, align 8
  %single = icmp eq i64 %flags, 0
  br i1 %single, label %serial, label %special
special:
  %wants = trunc i64 %flags to i1
  br i1 %wants, label %shared, label %loop
shared:
  br i1 %own, label %parallel, label %serial
parallel:
  call void @share(ptr %pool, ptr %kernel, ptr %args)
  br label %check
loop:
  %inner = call i64 @steps(ptr %args, i1 %own)
  br label %check
serial:
  call void %kernel(ptr %args, i64 0, i64 1)
  br label %check
check:
  %bad = load i64, ptr %status, align 8
  %fine = icmp eq i64 %bad, 0
  br i1 %fine, label %checked, label %leave
checked:
  %i1 = add i64 %i, 1
  br label %entry
move:
  %m = phi i64 [ 0, %entry ], [ %m1, %moved ]
  %rest = icmp slt i64 %m, %moves
  br i1 %rest, label %moved, label %stepped
moved:
  %m2 = mul i64 %m, 2
  %word_at = getelementptr i64, ptr %advances, i64 %m2
  %increment_at = getelementptr i64, ptr %word_at, i64 1
  %word = load ptr, ptr %word_at, align 8
  %increment = load i64, ptr %increment_at, align 8
  %old = load i64, ptr %word, align 8
  %new = add i64 %old, %increment
  store i64 %new, ptr %word, align 8
  %m1 = add i64 %m, 1
  br label %move
stepped:
  %s1 = add i64 %s, 1
  br label %step
leave:
  %reached = phi i64 [ -1, %step ], [ %s, %check ]
  br label %back
back:
  %b = phi i64 [ 0, %leave ], [ %b1, %restored ]
  %more = icmp slt i64 %b, %moves
  br i1 %more, label %restored, label %out
restored:
  %b2 = mul i64 %b, 2
  %bword_at = getelementptr i64, ptr %advances, i64 %b2
  %bincrement_at = getelementptr i64, ptr %bword_at, i64 1
  %bword = load ptr, ptr %bword_at, align 8
  %bincrement = load i64, ptr %bincrement_at, align 8
  %way = mul i64 %bincrement, %s
  %bold = load i64, ptr %bword, align 8
  %bnew = sub i64 %bold, %way
  store i64 %bnew, ptr %bword, align 8
  %b1 = add i64 %b, 1
  br label %back
out:
  ret i64 %reached
}

; A kernel whose arguments are a number of walks and the walks: each share walks its own.
define void @shares(ptr %args, i64 %thread, i64 %threads) {
start:
  %count = load i64, ptr %args, align 8
  br label %next
next:
  %n = phi i64 [ %thread, %start ], [ %n1, %walk ]
  %mine = icmp slt i64 %n, %count
  br i1 %mine, label %walk, label %out
walk:
  %place = add i64 %n, 1
  %at = getelementptr i64, ptr %args, i64 %place
  %steps = load ptr, ptr %at, align 8
  %reached = call i64 @steps(ptr %steps, i1 false)
  %n1 = add i64 %n, %threads
  br label %next
out:
  ret void
}

define i64 @run(ptr %walk) {
start:
  %pool_at = getelementptr i64, ptr %walk, i64 6
  %pool = load ptr, ptr %pool_at, align 8
  %workers_at = getelementptr i64, ptr %pool, i64 11
  %wanted_at = getelementptr i64, ptr %pool, i64 37
  %workers = load atomic i64, ptr %workers_at monotonic, align 8
  %wanted = load i64, ptr %wanted_at, align 8
  %none = icmp eq i64 %workers, 0
  %missed = icmp ne i64 %wanted, 0
  %alone = and i1 %none, %missed
  %end = select i1 %alone, i64 -2, i64 -1
  br i1 %none, label %ready, label %try
try:
  %taken = call i64 @acquire(ptr %pool)
  %mine = icmp ne i64 %taken, 0
  br label %ready
ready:
  %own = phi i1 [ false, %start ], [ %mine, %try ]
  %reached = call i64 @steps(ptr %walk, i1 %own)
  br i1 %own, label %free, label %out
free:
  call void @release(ptr %pool)
  br label %out
out:
  %status_at = getelementptr i64, ptr %walk, i64 5
  %status = load ptr, ptr %status_at, align 8
  store i64 0, ptr %status, align 8
  %through = icmp slt i64 %reached, 0
  %result = select i1 %through, i64 %end, i64 %reached
  ret i64 %result
}
"""


def text(machine: str) -> str:
    """The module for a processor named as by platform.machine()."""
    declared, call = _PAUSE.get(machine, ("void @llvm.donothing()", "void @llvm.donothing()"))
    return f"declare {declared}\n{_IR.replace('PAUSE', call)}"
