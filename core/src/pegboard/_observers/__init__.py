"""Who is told of calls: lines, targets, alerts, statistics."""
