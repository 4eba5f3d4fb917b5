"""The training loop and what it keeps: EMA, run folder, guard against collapse."""
