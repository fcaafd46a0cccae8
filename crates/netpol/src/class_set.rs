//! Sets of pod classes: short lists while they are small, bits when they are not.

/// Bits over `len` classes.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Bits(Box<[u64]>);

impl Bits {
    pub(crate) fn none(len: usize) -> Self {
        Self(vec![0; len.div_ceil(64)].into_boxed_slice())
    }

    pub(crate) fn all(len: usize) -> Self {
        let mut bits = Self(vec![u64::MAX; len.div_ceil(64)].into_boxed_slice());
        if let Some(last) = bits.0.last_mut()
            && !len.is_multiple_of(64)
        {
            *last = (1 << (len % 64)) - 1;
        }
        bits
    }

    pub(crate) fn set(&mut self, class: u32) {
        self.0[class as usize / 64] |= 1 << (class % 64);
    }

    pub(crate) fn has(&self, class: u32) -> bool {
        self.0.get(class as usize / 64).is_some_and(|word| word >> (class % 64) & 1 == 1)
    }

    pub(crate) fn unset(&mut self, class: u32) {
        self.0[class as usize / 64] &= !(1 << (class % 64));
    }

    pub(crate) fn or_set(&mut self, other: &ClassSet) {
        match other {
            ClassSet::Few(few) => few.iter().for_each(|&class| self.set(class)),
            ClassSet::Many(bits) => self.0.iter_mut().zip(&bits.0).for_each(|(word, more)| *word |= more),
        }
    }

    pub(crate) fn minus(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, less)| *word &= !less);
    }

    /// The first class that is in both.
    pub(crate) fn first_common(&self, other: &Self) -> Option<u32> {
        let mut words = self.0.iter().zip(&other.0).map(|(a, b)| a & b).enumerate();
        words.find(|&(_, word)| word != 0).map(|(at, word)| at as u32 * 64 + word.trailing_zeros())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().enumerate().flat_map(|(at, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                (rest != 0).then(|| {
                    let bit = rest.trailing_zeros();
                    rest &= rest - 1;
                    at as u32 * 64 + bit
                })
            })
        })
    }
}

/// A set of classes that is kept: each class number is below the number of classes of its engine.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum ClassSet {
    /// Sorted class numbers.
    #[doc(hidden)]
    Few(Box<[u32]>),
    /// Bits.
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "how bits are kept is nobody's business")]
    Many(Bits),
}

impl ClassSet {
    pub(crate) fn of_bits(bits: &Bits) -> Self {
        if bits.count() <= bits.0.len() { Self::Few(bits.iter().collect()) } else { Self::Many(bits.clone()) }
    }

    /// Takes sorted, unique class numbers below `len`.
    pub(crate) fn of_sorted(classes: Vec<u32>, len: usize) -> Self {
        if classes.len() <= len.div_ceil(64) {
            return Self::Few(classes.into());
        }
        let mut bits = Bits::none(len);
        classes.iter().for_each(|&class| bits.set(class));
        Self::Many(bits)
    }

    /// Takes unique class numbers below `len` in any order.
    pub(crate) fn of(mut classes: Vec<u32>, len: usize) -> Self {
        if classes.len() <= len.div_ceil(64) {
            classes.sort_unstable();
        }
        Self::of_sorted(classes, len)
    }

    /// Whether a class is in it.
    pub fn has(&self, class: u32) -> bool {
        match self {
            Self::Few(few) => few.binary_search(&class).is_ok(),
            Self::Many(bits) => bits.has(class),
        }
    }

    /// How many classes are in it.
    pub fn len(&self) -> usize {
        match self {
            Self::Few(few) => few.len(),
            Self::Many(bits) => bits.count(),
        }
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The class numbers, ascending.
    pub fn iter(&self) -> Box<dyn Iterator<Item = u32> + '_> {
        match self {
            Self::Few(few) => Box::new(few.iter().copied()),
            Self::Many(bits) => Box::new(bits.iter()),
        }
    }

    pub(crate) fn for_each(&self, mut each: impl FnMut(u32)) {
        match self {
            Self::Few(few) => few.iter().for_each(|&class| each(class)),
            Self::Many(bits) => bits.iter().for_each(each),
        }
    }
}
