"""`graphc cache info|clear|verify`: the kernels that earlier runs have left on disk.

What does not live here: the cache (runtime/cache.py).
"""

from __future__ import annotations

import argparse

from graphc.cli.arguments import ArgumentParser
from graphc.runtime.cache import kernel_cache


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("action", choices=("info", "clear", "verify"),
                        help="info: where it lies, how large it is; clear: remove all entries; "
                             "verify: check every entry's hash (status 1 where one is damaged)")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    return {"info": _info, "clear": _clear, "verify": _verify}[options.action]()


def _info() -> int:
    info = kernel_cache().info()
    print(f"folder   {info.path or 'none; kernels are kept in memory only'}")
    print(f"kernels  {info.entries}")
    print(f"bytes    {info.bytes}")
    print(f"limit    {info.limit}")
    return 0


def _clear() -> int:
    print(f"removed {_kernels(kernel_cache().clear())}")
    return 0


def _verify() -> int:
    cache = kernel_cache()
    damaged, older = cache.verify(), cache.older()
    for name in damaged:
        print(f"damaged  {name}")
    print(f"{_kernels(cache.info().entries)}, {len(damaged)} damaged; a damaged one is compiled anew when it is needed")
    if older:
        print(f"{_kernels(len(older))} of another release, no longer used; `graphc cache clear` removes them")
    return 1 if damaged else 0


def _kernels(count: int) -> str:
    return f"{count} kernel{'' if count == 1 else 's'}"
