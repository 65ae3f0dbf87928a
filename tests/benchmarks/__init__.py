"""How fast the service is, beside a bare handler and beside what people would use instead."""
