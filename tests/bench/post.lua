-- wrk script: POSTs the bodies of a file, one a line, in turn. Each has
-- placeholders where an id unique to the request goes, so that rows can be
-- matched with requests afterwards. Arguments: FILE PLACEHOLDER.

local threads = 0

function setup(thread)
   thread:set("number", threads)
   threads = threads + 1
end

local pieces, n = {}, 0
local counter = 0
local id_format

-- The request text is cut at the placeholders once, here: building a body for
-- each request would take processor time from the server under test.
function init(args)
   local placeholder = args[2]
   local headers = {
      ["Content-Type"] = "application/json",
      ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
   }
   for body in io.lines(args[1]) do
      local text = wrk.format("POST", nil, headers, body)
      local parts, start = {}, 1
      local from, to = text:find(placeholder, 1, true)
      while from do
         parts[#parts + 1] = text:sub(start, from - 1)
         start = to + 1
         from, to = text:find(placeholder, start, true)
      end
      parts[#parts + 1] = text:sub(start)
      n = n + 1
      pieces[n] = parts
   end
   id_format = "s%02d%0" .. #placeholder - 3 .. "d"
end

function request()
   local i = counter % n + 1
   counter = counter + 1
   return table.concat(pieces[i], string.format(id_format, number, counter))
end

function done(summary, latency, requests)
   io.write(string.format(
      'result {"seconds":%.6f,"requests":%d,"refused":%d,' ..
         '"socket_errors":%d,"p50_us":%d,"p99_us":%d}\n',
      summary.duration / 1e6, summary.requests, summary.errors.status,
      summary.errors.connect + summary.errors.read + summary.errors.write +
         summary.errors.timeout,
      latency:percentile(50), latency:percentile(99)))
end
