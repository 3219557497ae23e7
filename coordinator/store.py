"""The only code that speaks Redis: what a run knows, one script an intent.

Redis holds the truth of a run and it alone: players, the registry of snapshots, learner checkpoints,
ready, leased and parked matches, and the result log that payoff and ratings are folded from. What is
acknowledged is on disk (append-only file, fsync always), so a reply may be trusted after `kill -9`.

Keys, all below `<namespace>:` (every key declared by every script)
    meta         hash    schema, epoch, next_match, next_seq, state, config
    players      hash    name -> Player
    snapshots    hash    name -> Snapshot
    checkpoints  hash    player -> Checkpoint
    fold         string  the ledger as of a sequence number
    ready        list    ids of matches that wait for an actor, oldest first
    open         hash    id -> {match, attempt, failures, owner, state}
    leases       zset    id by deadline
    done         hash    id -> digest of the accepted outcome, bounded
    refused      list    reports that contradict an accepted one, bounded
    log          stream  <seq>-0 -> {match, outcome}
    actors       hash    owner -> heartbeat
    status       string  the coordinator's latest figures

Errors
    StoreError
    ├── StoreUnavailable    does not answer, wrong password, too old
    ├── SchemaMismatch      the run was written by another version
    └── StaleEpoch          another coordinator has taken over: stop
"""
# interface sketch: see the class below; signatures are fixed, bodies to be written.
