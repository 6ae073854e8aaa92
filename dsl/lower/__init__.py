"""From the syntax tree to the program, pass by pass: names, types, rules, requirements, and what a policy must have."""
