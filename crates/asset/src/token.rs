//! How text is cut into words, the same for storing and for searching.

/// Longest word kept, in bytes of its lower-case form; longer ones are cut there, at a character.
pub const WORD_BYTES_MAX: usize = 80;

/// Cuts `text` into lower-case words: runs of alphanumeric characters, everything else separates.
///
/// Positions are the index of the word in the sequence, so a phrase is a run of consecutive words.
pub fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(fold_word)
}

/// Lower-cases `text` as every comparison of keywords does.
pub fn fold(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { text.to_lowercase() }
}

fn fold_word(word: &str) -> String {
    let mut folded = fold(word);
    if folded.len() > WORD_BYTES_MAX {
        let mut cut = WORD_BYTES_MAX;
        while !folded.is_char_boundary(cut) {
            cut -= 1;
        }
        folded.truncate(cut);
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters_and_digits() {
        let cut: Vec<_> = words("HTTP/1.1 200 OK\r\nServer: Docker-Cluster_x Grüße").collect();
        assert_eq!(cut, ["http", "1", "1", "200", "ok", "server", "docker", "cluster", "x", "grüße"]);
    }

    #[test]
    fn long_words_are_cut_at_a_character() {
        let long = "ä".repeat(100);
        let cut = words(&long).next().unwrap();
        assert_eq!(cut.len(), WORD_BYTES_MAX);
    }
}
