local one, whole = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
-- No more than all of it can be missing: a clock that was set back must not lock callers out.
local full = math.min(tonumber(redis.call('GET', KEYS[1])) or now, now + whole)
local wait = full + one - now - whole
if wait > 0 then
  return {wait, 0, 0}
end
full = math.max(full, now) + one
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
return {0, math.floor((now + whole - full) / one), full - now}
