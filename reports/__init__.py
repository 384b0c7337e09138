"""What a person reads of an experiment: the charts' page, the report, the comparison; nothing here changes a result."""
