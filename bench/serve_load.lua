-- The load of `make bench-serve`, for wrk: wrk ... -s serve_load.lua URL -- BODIES PATH TOKEN SECONDS FIRST
-- BODIES has a JSON document a line, asked one after another. Where a line has `#######` the number of the request
-- stands there, from FIRST on: no two requests are alike then. After SECONDS nothing more is asked, and when the last
-- request is answered wrk is told to end, as by Ctrl-C: what was answered is all that was asked.

local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds; long microseconds; } moment; int gettimeofday(moment *, void *);")
ffi.cdef("int getpid(void); int kill(int, int);")
local SIGINT = 2
local clock = ffi.new("moment")

local function now()
  ffi.C.gettimeofday(clock, nil)
  return tonumber(clock.seconds) + tonumber(clock.microseconds) / 1e6
end

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  -- wrk makes one request that it sends nowhere, to look at it
  pieces, counts, sent, answered, first_at, last_at = {}, {}, -1, 0, 0, 0
  number, stop_after = tonumber(args[5]), tonumber(args[4])
  local head = "POST " .. args[2] .. " HTTP/1.1\r\nHost: " .. wrk.headers["Host"] ..
    "\r\nContent-Type: application/json\r\n"
  if args[3] ~= "" then head = head .. "Authorization: Bearer " .. args[3] .. "\r\n" end
  for line in io.lines(args[1]) do
    local parts = {}
    local text = head .. "Content-Length: " .. #line .. "\r\n\r\n" .. line
    for part in (text .. "#######"):gmatch("(.-)#######") do table.insert(parts, part) end
    table.insert(pieces, parts)
  end
end

function request()
  sent = sent + 1
  if sent <= 1 then first_at = now() end
  local parts = pieces[sent % #pieces + 1]
  if #parts == 1 then return parts[1] end
  return table.concat(parts, string.format("%07d", (number + sent) % 10000000))
end

function delay()
  if sent > 0 and now() - first_at > stop_after then return 3600000 end
  return 0
end

function response(status)
  counts[status] = (counts[status] or 0) + 1
  answered, last_at = answered + 1, now()
  if answered == sent and last_at - first_at > stop_after then ffi.C.kill(ffi.C.getpid(), SIGINT) end
end

local function statuses(thread)
  local found = {}
  for status, count in pairs(thread:get("counts")) do
    table.insert(found, string.format('"%d": %d', status, count))
  end
  return "{" .. table.concat(found, ", ") .. "}"
end

function done(summary, latency)
  local thread, errors = threads[1], summary.errors
  io.write("\n", string.format(
    '{"statuses": %s, "seconds": %.6f, "p50": %d, "p99": %d, "most": %d, "broken": %d}\n',
    statuses(thread), thread:get("last_at") - thread:get("first_at"), latency:percentile(50),
    latency:percentile(99), latency.max, errors.connect + errors.read + errors.write + errors.timeout
  ))
end
