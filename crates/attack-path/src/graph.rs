//! Places and steps.

/// A place; an index.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Place(pub u32);

/// A step; an index.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StepId(pub u32);

/// One step from a place to another.
#[derive(Clone, Debug)]
pub struct Step<E> {
    /// Where it starts.
    pub from: Place,
    /// Where it leads.
    pub to: Place,
    /// How hard it is; the least is 1.
    pub cost: u32,
    /// True when the input only lets it be possible: ways over it are told apart.
    pub possible: bool,
    /// What shows that it can be taken.
    pub evidence: E,
}

/// Places and the steps between them. `P` describes a place, `E` what shows a step.
#[derive(Clone, Debug)]
pub struct Graph<P, E> {
    places: Vec<P>,
    steps: Vec<Step<E>>,
    out: Vec<Vec<StepId>>,
}

impl<P, E> Default for Graph<P, E> {
    fn default() -> Self {
        Self { places: Vec::new(), steps: Vec::new(), out: Vec::new() }
    }
}

impl<P, E> Graph<P, E> {
    /// Adds a place.
    pub fn place(&mut self, description: P) -> Place {
        self.places.push(description);
        self.out.push(Vec::new());
        Place(self.places.len() as u32 - 1)
    }

    /// Adds a step. A cost of 0 counts as 1.
    pub fn step(&mut self, from: Place, to: Place, cost: u32, possible: bool, evidence: E) -> StepId {
        let id = StepId(self.steps.len() as u32);
        self.steps.push(Step { from, to, cost: cost.max(1), possible, evidence });
        self.out[from.0 as usize].push(id);
        id
    }

    /// What a place is.
    pub fn description(&self, place: Place) -> &P {
        &self.places[place.0 as usize]
    }

    /// A step.
    pub fn get(&self, step: StepId) -> &Step<E> {
        &self.steps[step.0 as usize]
    }

    /// The steps that start at a place, in the order added.
    pub fn steps_from(&self, place: Place) -> &[StepId] {
        &self.out[place.0 as usize]
    }

    /// How many places there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}
