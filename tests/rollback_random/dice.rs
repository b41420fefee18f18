//! Choices that one number decides, and names to choose from.

/// A stream of choices (SplitMix64): the same number gives the same choices on every machine.
pub struct Dice(u64);

impl Dice {
    /// A stream of its own for each number.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to below `count`, which is not 0.
    pub fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.next() % count as u64).expect("below a usize")
    }

    /// True once in `count` times.
    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    /// One of them; none of none.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        if list.is_empty() { None } else { Some(&list[self.below(list.len())]) }
    }

    /// One of these words.
    pub fn word<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }

    /// ` CASCADE`, now and then.
    pub fn cascade(&mut self) -> &'static str {
        if self.one_in(2) { " CASCADE" } else { "" }
    }

    /// A name as SQL spells it: mostly a plain one, of few, so that names come back; sometimes one that needs care.
    pub fn name(&mut self, stem: &str) -> String {
        if self.below(10) < 8 {
            return format!("{stem}{}", self.below(8));
        }
        const ODD: [&str; 14] = [
            "\"Odd Name\"",
            "\"se\"\"lect\"",
            "\"order\"",
            "\"größe\"",
            "\"таблица\"",
            "\"a.b\"",
            "\"it's\"",
            "\"$1\"",
            "\"dotted.\"\"x\"\".y\"",
            "a_name_of_sixty_three_bytes_is_the_longest_there_is_in_postgres",
            "\"-- t; Type: VIEW\"",
            "\"back\\slash\"",
            "\"a;b\"",
            "\"(x)\"",
        ];
        self.word(&ODD).to_owned()
    }
}
