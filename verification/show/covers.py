"""What a proof covers, what it trusts, and what it does not say: the same words in every report."""

COVERED = (
    (
        "A requirement that is proved holds in every conversation of any length that can come: whatever customers say "
        "or press, whatever agents suggest within what they may suggest, whatever tools return, whether they fail, "
        "come late or not at all, and in whatever order."
    ),
    (
        "It holds for what the rules decide. In service the same requirements are watched on every step before "
        "anything leaves: a step that would break one does not happen, and a person takes over."
    ),
)

READING = (
    "Charter's parser, checker and the meaning of the language. A counterexample is replayed on that meaning before "
    "it is shown; in service every step is decided by two executors that share no evaluation code, and must agree."
)
EVENTS = (
    "the server drops what cannot come: answers that nobody waits for, second answers, values outside their declared "
    "range. The proof counts on that."
)
TRUSTED = (
    ("The reading of the policy", READING),
    (
        "The prover",
        "the translation into logic, and the solver Z3; with a certificate, its check and cvc5 instead.",
    ),
    ("The events", EVENTS),
)

NOT_PROVED = (
    (
        "That requirements say what is cited",
        "whether a clause above is what the law or handbook asks is for its signer.",
    ),
    ("That models understand", "how often an agent recognises what a customer wants is measured, not proved."),
    ("That tools tell the truth", "beyond the assumptions above, what they return is taken as it comes."),
    ("That outside work is done", "a call that a rule makes leaves; what the other system does with it is its own."),
    (
        "How long things take",
        "deadlines lead to failures that rules handle; nothing is said about how fast anything is.",
    ),
    ("What texts mean", "that a wording satisfies a law, or says the same in every language."),
    ("That a customer hears or reads", "a text leaves; only `heard` says that it was played to its end."),
    ("What people do", "after a transfer the conversation is theirs."),
    ("Whatever is not required", "a proof is about the requirements above and nothing else."),
)
