//! A way from one row to every other.
//!
//! Pruning looks at each row alone and can leave rows that no link leads to. They get a link from one of their own
//! neighbours that can be reached; what still cannot be reached becomes a start of its own.
//!
//! Reads from: links. Writes to: the same. Never: a link removed that was the only one to its row.

use crate::index::hnsw::partition::Link;

/// Rounds of mending; each reaches at least the rows that one link is missing to.
const ROUNDS: usize = 8;

/// Mends `links` so that every row can be reached from `hub`, as far as that goes. Returns the starts from which every row
/// can be reached: `hub`, and one row of each part that remains apart.
pub(crate) fn connect(links: &mut [Vec<Link>], hub: u32, degree: usize) -> Vec<u32> {
    let mut starts = vec![hub];
    if links.is_empty() {
        return starts;
    }
    let mut incoming = vec![0u32; links.len()];
    for link in links.iter().flatten() {
        incoming[link.row as usize] += 1;
    }
    for _ in 0..ROUNDS {
        let reached = reach(links, &starts);
        let mut mended = false;
        for row in (0..links.len()).filter(|row| !reached[*row]) {
            let near: Vec<Link> = links[row].iter().filter(|l| reached[l.row as usize]).copied().collect();
            for from in near {
                if add(
                    &mut links[from.row as usize],
                    Link { distance: from.distance, row: row as u32 },
                    degree,
                    &mut incoming,
                ) {
                    mended = true;
                    break;
                }
            }
        }
        if !mended {
            break;
        }
    }
    let mut reached = reach(links, &starts);
    for row in 0..links.len() {
        if !reached[row] {
            starts.push(row as u32);
            spread(links, row as u32, &mut reached);
        }
    }
    starts
}

/// Adds a link, in place of the farthest one whose row has others leading to it when there is no room.
fn add(list: &mut Vec<Link>, link: Link, degree: usize, incoming: &mut [u32]) -> bool {
    if list.len() >= degree {
        let Some(spare) = list.iter().rposition(|l| incoming[l.row as usize] > 1) else { return false };
        let removed = list.remove(spare);
        incoming[removed.row as usize] -= 1;
    }
    incoming[link.row as usize] += 1;
    let at = list.partition_point(|l| l.order(&link).is_lt());
    list.insert(at, link);
    true
}

fn reach(links: &[Vec<Link>], starts: &[u32]) -> Vec<bool> {
    let mut reached = vec![false; links.len()];
    starts.iter().for_each(|start| spread(links, *start, &mut reached));
    reached
}

fn spread(links: &[Vec<Link>], start: u32, reached: &mut [bool]) {
    let mut open = vec![start];
    while let Some(row) = open.pop() {
        if !std::mem::replace(&mut reached[row as usize], true) {
            open.extend(links[row as usize].iter().map(|l| l.row).filter(|r| !reached[*r as usize]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(lists: &[&[u32]]) -> Vec<Vec<Link>> {
        let link = |row: &u32| Link { distance: *row as f32, row: *row };
        lists.iter().map(|list| list.iter().map(link).collect()).collect()
    }

    #[test]
    fn a_row_that_none_leads_to_gets_a_link_and_takes_none_that_is_the_only_one() {
        // 3 leads to 0 only, and nothing to 3; the list of 0 is full, its link to 1 is the only one to 1.
        let mut graph = links(&[&[1, 2], &[2, 0], &[0], &[0]]);
        assert_eq!(connect(&mut graph, 0, 2), [0]);
        assert!(reach(&graph, &[0]).iter().all(|r| *r));
        assert!(graph.iter().all(|l| l.len() <= 2));
    }

    #[test]
    fn parts_without_any_link_between_them_become_starts() {
        let mut graph = links(&[&[1], &[0], &[3], &[2], &[]]);
        assert_eq!(connect(&mut graph, 0, 2), [0, 2, 4]);
    }
}
