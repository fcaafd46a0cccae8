//! Credentials in the arguments of a command, where a flag and its value may be two words.

use crate::{Confidence, Detection, Kind, name, scan, scan_text, value};

/// Finds the credentials in the arguments of a command, program included.
///
/// - returns index of the argument and detection; spans are bytes of that argument.
///
/// Beyond what each argument holds by itself: `--password VALUE`, `-p` glued to the password of MySQL's clients,
/// `curl -u user:password`, `redis-cli -a`, `sshpass -p`, `--requirepass VALUE`.
pub fn scan_arguments(arguments: &[&str]) -> Vec<(usize, Detection)> {
    let mut found = Vec::new();
    for (index, argument) in arguments.iter().enumerate() {
        let mut here = scan_text(None, argument);
        if here.is_empty()
            && let Some(one) = by_flag(arguments, index, argument)
        {
            here.push(one);
        }
        found.extend(here.into_iter().map(|one| (index, one)));
    }
    found
}

/// Judges an argument by the flag in front of it or the flag it begins with.
fn by_flag(arguments: &[&str], index: usize, argument: &str) -> Option<Detection> {
    let program = arguments.iter().take(index).map(|word| word.rsplit('/').next().unwrap_or(word));
    let has = |known: &[&str]| program.clone().any(|word| known.contains(&word));
    let clients =
        ["mysql", "mysqldump", "mysqladmin", "mariadb", "mysqlcheck", "mariadb-dump", "mysqlimport"];
    if let Some(password) = argument.strip_prefix("-p")
        && has(&clients)
    {
        return password_at(argument, 2, password);
    }
    let flag = index.checked_sub(1).and_then(|before| arguments.get(before))?;
    match *flag {
        "-u" | "--user" if has(&["curl", "http", "wget"]) => {
            let (user, password) = argument.split_once(':')?;
            password_at(argument, user.len() + 1, password)
        }
        "-a" if has(&["redis-cli", "redis-benchmark"]) => password_at(argument, 0, argument),
        "-p" if has(&["sshpass"]) => password_at(argument, 0, argument),
        "-p" if has(&["docker", "podman", "crane", "skopeo", "helm", "nerdctl"])
            && arguments.contains(&"login") =>
        {
            password_at(argument, 0, argument)
        }
        "-w" if has(&["ldapsearch", "ldapadd", "ldapmodify"]) => password_at(argument, 0, argument),
        flag if flag.starts_with('-') && !flag.contains('=') && !argument.starts_with('-') => {
            let known = name::judge(flag)?;
            scan::judge(argument, &known, 0..argument.len())
        }
        _ => None,
    }
}

fn password_at(argument: &str, at: usize, password: &str) -> Option<Detection> {
    let strength = value::password(password)?;
    let weak = strength == value::Strength::WellKnown;
    let kind = if weak { Kind::WeakPassword } else { Kind::Password };
    Some(Detection::new(kind, argument, at..argument.len(), Confidence::Medium))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_their_values() {
        let check = |line: &str, expected: Option<(usize, Kind)>| {
            let words: Vec<&str> = line.split(' ').collect();
            let found = scan_arguments(&words).first().map(|(index, one)| (*index, one.kind));
            assert_eq!(found, expected, "{line}");
        };
        check("server --password hunter22x", Some((2, Kind::Password)));
        check("server --password=hunter22x", Some((1, Kind::Password)));
        check("redis-server --requirepass changeme", Some((2, Kind::WeakPassword)));
        check("mysqladmin ping -uroot -pS3cretRoot", Some((3, Kind::Password)));
        check("curl -u admin:Tr0ub4dor http://x", Some((2, Kind::Password)));
        check("redis-cli -a Tr0ub4dor ping", Some((2, Kind::Password)));
        check("sshpass -p Tr0ub4dor ssh x", Some((2, Kind::Password)));
        check("server --password-file /etc/p", None);
        check("server --password $(DB_PASSWORD)", None);
        check("server --password --verbose", None);
        check("server -p 8080", None);
        check("mkdir -p /data/x", None);
        check("mysqld --port 3306 -p3306", None);
        check("etcd --auth-token simple", None);
        check("kubelet --token-auth-file /x --client-ca-file /y", None);
        check("app --token-ttl 15m --secret-name my-secret", None);
    }
}
