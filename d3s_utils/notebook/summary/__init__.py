"""What a run found, said in sentences for the first page of the report: five answers, a dozen findings with small
charts, the ledger, the matrix of probe readings, and a caption for every figure."""
