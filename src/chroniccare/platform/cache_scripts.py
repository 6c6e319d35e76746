"""Lua that Redis or Valkey runs for `platform.cache`, each atomic on the server's clock."""

import hashlib

# Atomic token bucket on the server's clock. Returns whether it was allowed, and what is left.
BUCKET = b"""
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local held = redis.call('HMGET', KEYS[1], 't', 'n')
local tokens, last = tonumber(held[1]) or burst, tonumber(held[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - last) * rate / 1000)
local allowed = 0
if tokens >= 1 then tokens = tokens - 1; allowed = 1 end
redis.call('HSET', KEYS[1], 't', tostring(tokens), 'n', now)
redis.call('PEXPIRE', KEYS[1], math.ceil((burst - tokens) * 1000 / rate) + 1000)
return {allowed, tostring(tokens)}
"""
# When a sender is free, in milliseconds of the server's clock; plans messages of ARGV[3..] parts
# as `notifications.mesh.rules.admit` does. Returns how many, and how long the first of them waits.
SENDER = b"""
local rate, horizon = tonumber(ARGV[1]), tonumber(ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local at = math.max(tonumber(redis.call('GET', KEYS[1])) or now, now)
local wait, count = at - now, 0
for i = 3, #ARGV do
  if at - now > horizon then break end
  count = count + 1
  at = at + tonumber(ARGV[i]) * 1000 / rate
end
redis.call('SET', KEYS[1], string.format('%.3f', at), 'PX', math.ceil(at - now) + 1000)
return {count, string.format('%.3f', wait)}
"""
SENDER_SHA = hashlib.sha1(SENDER, usedforsecurity=False).hexdigest()
