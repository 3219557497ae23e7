"""`python -m benchmarks.peers setup [NAME ...]` makes the environments that peers run in."""

from __future__ import annotations

import argparse
import subprocess
import sys

from benchmarks.peers.environments import PEERS


def main() -> int:
    """Set up those that are named, or all; one that fails does not keep the others from it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    commands = parser.add_subparsers(required=True)
    setup = commands.add_parser("setup", help="make environments anew, one a peer")
    setup.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PEERS)} (default: all)")
    names = parser.parse_args().names
    if unknown := [name for name in names if name not in PEERS]:
        parser.error(f"NAME {unknown[0]}: allowed are {', '.join(PEERS)}")
    failed = 0
    for peer in (PEERS[name] for name in names or PEERS):
        try:
            peer.set_up()
        except subprocess.CalledProcessError as error:
            failed += 1
            print(f"{peer.name}: not installed, pip ended with {error.returncode}", file=sys.stderr)
        else:
            print(f"{peer.name}: installed in {peer.folder}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
