//! What the demo does: steps, one after the other, and the rows that show them.
//!
//! How far the demo is, is one number: the steps that are done. Every row's state follows from it.

/// The spinners before the task list.
pub(crate) const STAGES: usize = 3;
/// All steps; a row without rows below it is one step.
pub(crate) const STEPS: usize = 11;
/// The step that a model is asked in.
pub(crate) const AUDIT: usize = 9;

pub(crate) const TITLE: &str = "Root Workflow - Stage-wise demo";
pub(crate) const QUESTION: &str = "Continue? [Y/n]";
pub(crate) const DECLINED: &str = "Stopped before the workflows.";

/// One line: a step, or a group of those below it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) depth: usize,
    pub(crate) title: &'static str,
    /// The first step and the one after the last.
    pub(crate) steps: (usize, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Waiting,
    Running,
    Done,
}

impl Row {
    pub(crate) fn state(&self, done: usize) -> State {
        match self.steps {
            (_, end) if done >= end => State::Done,
            (start, _) if done >= start => State::Running,
            _ => State::Waiting,
        }
    }

    pub(crate) fn holds(&self, step: usize) -> bool {
        (self.steps.0..self.steps.1).contains(&step)
    }

    pub(crate) fn is_group(&self) -> bool {
        self.steps.1 - self.steps.0 > 1
    }
}

pub(crate) const ROWS: [Row; 14] = [
    row(0, "Prepare Workspace", 0, 1),
    row(0, "Generate Glossaries", 1, 2),
    row(0, "Consolidate API Docs", 2, 3),
    row(0, "Fetch Task (demo)", 3, 4),
    row(0, "Run Workflows", 4, 10),
    row(1, "AI-IMPLEMENT", 4, 7),
    row(2, "Preparing branch", 4, 5),
    row(2, "Implementing code", 5, 6),
    row(2, "Running tests", 6, 7),
    row(1, "AI-CREATE-PRD", 7, 9),
    row(2, "Assembling PRD", 7, 8),
    row(2, "Uploading PRD", 8, 9),
    row(1, "AI-SECURITY-AUDIT", AUDIT, AUDIT + 1),
    row(0, "Restore Task State", 10, STEPS),
];

const fn row(depth: usize, title: &'static str, start: usize, end: usize) -> Row {
    Row { depth, title, steps: (start, end) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_one_row_and_groups_hold_what_is_below_them() {
        for step in 0..STEPS {
            let rows = ROWS.iter().filter(|row| !row.is_group() && row.steps == (step, step + 1));
            assert_eq!(rows.count(), 1, "step {step}");
        }
        for (place, row) in ROWS.iter().enumerate() {
            for below in ROWS[place + 1..].iter().take_while(|below| below.depth > row.depth) {
                assert!(row.steps.0 <= below.steps.0 && below.steps.1 <= row.steps.1, "{} {}", row.title, below.title);
            }
        }
    }

    #[test]
    fn the_state_of_a_row_follows_from_the_steps_done() {
        let group = row(0, "", 4, 10);
        let states = [3, 4, 9, 10].map(|done| group.state(done));
        assert_eq!(states, [State::Waiting, State::Running, State::Running, State::Done]);
        assert!(ROWS.iter().all(|row| row.state(STEPS) == State::Done));
    }
}
