# Reads event lines in order. A task that has a durable result must never be leased again. Prints
# "EXECUTED tasks, AGAIN executed again" and fails when AGAIN is not 0.
function field(name,    rest) {
    if (!match($0, "\"" name "\":\"[^\"]*\"")) return ""
    rest = substr($0, RSTART, RLENGTH)
    sub("\"" name "\":\"", "", rest); sub("\"$", "", rest)
    return rest
}
field("event") == "lease" && (field("task") in finished) {
    again++
    print "task " field("task") " was leased after its result was durable"
}
field("event") == "attempt" && field("end") == "ok" {
    if (!(field("task") in finished)) executed++
    finished[field("task")] = 1
}
END {
    print executed + 0 " tasks, " again + 0 " executed again"
    exit again > 0
}
