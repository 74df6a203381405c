-- wrk's side of the bench: builds each request, counts wrong answers, prints the numbers as one line of JSON.
--
-- wrk ... -s load.lua URL -- BODY_FILE SALT CHECK MAX_REQUESTS
--   BODY_FILE     the request body; every @UNIQUE@ in it becomes a number no request had before
--   SALT          keeps those numbers apart between runs
--   CHECK         "check" looks into every answer for "success":true, "blind" does not (it costs wrk some time)
--   MAX_REQUESTS  stop after so many; 0 is no bound

local body, salt, counter, limit, unique, fixed
wrong = 0

function setup(thread)
  threads = threads or {}
  table.insert(threads, thread)
  thread:set("number", #threads)
end

function init(args)
  local file = assert(io.open(args[1], "r"))
  body = file:read("*a")
  file:close()
  salt = args[2]
  local check = args[3]
  limit = tonumber(args[4])
  counter = 0
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  unique = body:find("@UNIQUE@", 1, true) ~= nil
  if not unique then fixed = wrk.format(nil, nil, nil, body) end
  if check ~= "check" then response = nil end
end

function request()
  counter = counter + 1
  if limit > 0 and counter >= limit then wrk.thread:stop() end
  if fixed then return fixed end
  local id = string.format("%s%d%09d", salt, number, counter)
  return wrk.format(nil, nil, nil, (body:gsub("@UNIQUE@", id)))
end

function response(status, headers, text)
  if status ~= 200 or not text:find('"success":true', 1, true) then
    wrong = wrong + 1
    if wrong == 1 then io.stderr:write("wrong answer: ", status, " ", text:sub(1, 400), "\n") end
  end
end

function done(summary, latency)
  local wrong = 0
  for _, thread in ipairs(threads) do wrong = wrong + (thread:get("wrong") or 0) end
  local errors = summary.errors
  io.write(string.format(
    'JSON {"requests":%d,"seconds":%.6f,"p50":%.1f,"p99":%.1f,"failed":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    wrong + errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
