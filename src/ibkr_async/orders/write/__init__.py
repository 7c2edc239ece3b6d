"""What an order says: types, groups, tickets, rules, answers to questions."""
