"""Pages and tables for people: charts, report, comparison, the documentation's tables. None changes a result."""
