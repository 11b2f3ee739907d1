-- For wrk: GET of one path, of sites in turn. Arguments: PATH, SITES, "new" or "kept", what a site is called by number.
local requests, turn = {}, 0

function init(args)
    for site = 0, tonumber(args[2]) - 1 do
        local headers = { Host = string.format(args[4], site) }
        if args[3] == "new" then
            headers["Connection"] = "close"
        end
        requests[site + 1] = wrk.format("GET", args[1], headers)
    end
end

function request()
    turn = turn % #requests + 1
    return requests[turn]
end
