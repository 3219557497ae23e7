-- An actor gives a match back, because it failed or for no fault of the match.
-- KEYS: ready open leases
-- ARGV: id, attempt, why it failed or '' when it did not
-- Returns 'ready', 'parked', or 'stale' when that is not the current attempt (so sent twice, it counts once).
local ready, open, leases = unpack(KEYS)
local id, attempt, why = unpack(ARGV)
local entry = read_open(open, id)
if not entry or entry.attempt ~= tonumber(attempt) or entry.state ~= 'leased' then
  return 'stale'
end
return end_attempt(open, ready, leases, id, entry, why)
