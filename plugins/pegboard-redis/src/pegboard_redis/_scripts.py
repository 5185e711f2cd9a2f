"""
What the server does in one step: scripts, and where they keep what.

Each value is a string under its own key, so that the server's own commands read it and
its own clock ends it. It begins with the version. Two sorted sets know the keys: one in
their order, one by the time at which they expire, from which each write that adds to it
removes up to two that are past. The first write of a script is the one that a full
server refuses, so that nothing is ever half done.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

VERSION_LENGTH = 24
"""Characters of a version, before the JSON of the value."""
KEEP, NEVER = "keep", ""
"""Instead of the milliseconds until a value expires."""
ANY, ABSENT, EQUAL = "", "!", "="
"""Conditions; the last one goes before a version."""
LONGEST_TTL = 10**14
"""Milliseconds: three thousand years, well within the server's arithmetic."""
EXACT = 2**53
"""Below this, a script's numbers are exact."""
MOST_LOOKED_AT = 1000
"""Keys that one step of a scan looks at, for nobody else is served meanwhile."""

NAMES = """
local value, order, expiry, key = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
"""
NAMES_OF_MANY = """
local order, expiry, value, key = KEYS[1], KEYS[2]
"""
NOW = """
local moment
local function now()
  if not moment then
    local time = redis.call('TIME')
    moment = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return moment
end
"""
STORE = (
    NOW
    + """
local function store(text, ttl)
  if ttl == 'keep' then
    redis.call('SET', value, text, 'KEEPTTL')
    return
  end
  if ttl == '' then
    redis.call('SET', value, text)
    redis.call('ZREM', expiry, key)
  else
    local ends = string.format('%.0f', now() + ttl)
    redis.call('SET', value, text, 'PXAT', ends)
    redis.call('ZADD', expiry, ends, key)
    local past = string.format('(%.0f', now())
    local old = redis.call('ZRANGEBYSCORE', expiry, 0, past, 'LIMIT', 0, 2)
    if #old > 0 then
      redis.call('ZREM', expiry, unpack(old))
      redis.call('ZREM', order, unpack(old))
    end
  end
  redis.call('ZADD', order, 0, key)
end
"""
)
HOLDS = """
local function holds(condition)
  if condition == '' then
    return true
  end
  if condition == '!' then
    return redis.call('EXISTS', value) == 0
  end
  return condition == '=' .. redis.call('GETRANGE', value, 0, 23)
    and condition ~= '='
end
"""


class Script(NamedTuple):
    """A script and the name that the server gives it."""

    text: str
    digest: str

    @classmethod
    def of(cls, *parts: str) -> Script:
        """Return the script that *parts* make up."""
        text = "".join(parts)
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


SET = Script.of(
    NAMES,
    STORE,
    HOLDS,
    """
if not holds(ARGV[4]) then
  return 0
end
store(ARGV[2], ARGV[3])
return 1
""",
)
"""key, text, ttl, condition: returns whether the condition held."""

SET_MANY = Script.of(
    NAMES_OF_MANY,
    STORE,
    """
for number = 3, #KEYS do
  value, key = KEYS[number], ARGV[2 * number - 4]
  store(ARGV[2 * number - 3], ARGV[1])
end
""",
)
"""The two sets, then the key of each value; ttl, then key and text of each."""

DELETE = Script.of(
    NAMES,
    HOLDS,
    """
if not holds(ARGV[2]) then
  return -1
end
redis.call('ZREM', order, key)
redis.call('ZREM', expiry, key)
return redis.call('DEL', value)
""",
)
"""key, condition: returns how many there were, or -1 if the condition did not hold."""

DELETE_MANY = Script.of(
    NAMES_OF_MANY,
    """
redis.call('ZREM', order, unpack(ARGV))
redis.call('ZREM', expiry, unpack(ARGV))
return redis.call('DEL', unpack(KEYS, 3))
""",
)
"""The two sets, then the key of each value; each key: returns how many there were."""

TOUCH = Script.of(
    NAMES,
    NOW,
    """
if redis.call('EXISTS', value) == 0 then
  return 0
end
if ARGV[2] == '' then
  redis.call('PERSIST', value)
  redis.call('ZREM', expiry, key)
else
  local ends = string.format('%.0f', now() + ARGV[2])
  redis.call('PEXPIREAT', value, ends)
  redis.call('ZADD', expiry, ends, key)
end
return 1
""",
)
"""key, ttl: returns whether there is one."""

ADD = Script.of(
    NAMES,
    STORE,
    """
local by, version, ttl = ARGV[2], ARGV[3], ARGV[4]
local stored = redis.call('GET', value)
local old = '0'
if stored then
  old, ttl = string.sub(stored, 25), 'keep'
end
local function exact(number)
  return number > -2^53 and number < 2^53
end
if not string.find(old, '^-?%d+$') then
  return false
end
local sum = old + by
if not (exact(old + 0) and exact(sum)) then
  return false
end
local text = string.format('%.0f', sum)
store(version .. text, ttl)
return text
""",
)
"""key, by, version, ttl: returns the sum, or nothing if it takes more to tell."""

SCAN = Script.of(
    NAMES,
    """
local first, last, wanted = ARGV[2], ARGV[3], tonumber(ARGV[4])
local most = math.max(100, math.min(wanted, ARGV[5]))
local keys = redis.call('ZRANGEBYLEX', order, first, last, 'LIMIT', 0, most)
local found = {}
for _, one in ipairs(keys) do
  if redis.call('EXISTS', value .. one) == 1 then
    found[#found + 1] = one
    if #found == wanted then
      return {found, ''}
    end
  else
    redis.call('ZREM', order, one)
    redis.call('ZREM', expiry, one)
  end
end
return {found, #keys == most and keys[most] or ''}
""",
)
"""
The prefix in place of a value's key, and '', first, last, wanted, most to look at:
returns keys that exist, and the last one looked at if there may be more.
"""
