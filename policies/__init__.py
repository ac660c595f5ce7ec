"""What must not be: rules over plain specs and rendered objects, their verdicts and reports, and the CrossGuard pack."""
