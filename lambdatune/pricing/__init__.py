"""What AWS bills for a call: dated prices of every region, and the cost of calls at them."""
