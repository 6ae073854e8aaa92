"""Pictures of a policy: rules, facts and strata, as SVG and Mermaid."""
