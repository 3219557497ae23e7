"""Other people's training systems on our benchmark, each in an environment of its own.

Every program trains the same network (84 -> 128 -> 128 -> 7 + 1) on Connect Four by self-play, says how many
decisions it trained as it goes, and saves policies that our own evaluation plays against known opponents.

    environments.py        what is installed where, and the command of every program
    protocol.py            what a program is asked and what it prints; needs numpy alone
    turns.py               our game for the peers that bring none
    pgx_ppo.py, sample_factory_appo.py, pufferlib_ppo.py    the programs: they run in their environments
    player.py              a saved policy at our tables

Set up: `python -m benchmarks.peers setup`. Measure: `python -m benchmarks.throughput --peers` and
`python -m benchmarks.time_to_strength`.
"""
