"""Values and documents in Amazon DynamoDB, for pegboard."""
