//! What few cells have, outside of the cells: combined characters, underline styles and links.
//!
//! Entries are never changed, so copies of a cell share them. What no cell uses any more is dropped when a table has
//! grown to twice of what was in use; so each stays in proportion to the screen, whatever the stream does.

use std::collections::HashMap;

use crate::attr::Extra;
use crate::cell::{Cell, Content};

/// Characters of one cell; honest text has fewer.
const MAX_CHARS: usize = 16;
/// Of all combined characters together.
const MAX_COMBINED_BYTES: usize = 1 << 20;
/// Links that are kept at a time, and how long one is; what is beyond is drawn without a link.
const MAX_LINKS: usize = 512;
const MAX_LINK_BYTES: usize = 2048;
const MIN_LIMIT: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Link {
    /// What joins the parts of a link that spans rows; empty is none.
    pub(crate) id: String,
    pub(crate) uri: String,
}

#[derive(Default)]
pub(crate) struct Rare {
    combined: Vec<Box<str>>,
    combined_bytes: usize,
    extras: Table<Extra>,
    links: Table<Link>,
    limit: usize,
}

impl Rare {
    pub(crate) fn combined(&self, index: u32) -> &str {
        &self.combined[index as usize]
    }

    pub(crate) fn extra(&self, id: u32) -> Extra {
        self.extras.get(id).copied().unwrap_or_default()
    }

    pub(crate) fn link(&self, id: u32) -> Option<&Link> {
        self.links.get(id)
    }

    pub(crate) fn add_extra(&mut self, extra: Extra) -> u32 {
        self.extras.add(extra)
    }

    /// 0 where the link is too long or there are too many.
    pub(crate) fn add_link(&mut self, link: Link) -> u32 {
        let fits = link.id.len() + link.uri.len() <= MAX_LINK_BYTES;
        if !fits || (self.links.is_full(MAX_LINKS) && !self.links.ids.contains_key(&link)) {
            0
        } else {
            self.links.add(link)
        }
    }

    /// Joins `code` to the character of the cell. Beyond the limits it is dropped.
    pub(crate) fn join(&mut self, cell: &mut Cell, code: u32) {
        let mut text = match cell.content() {
            Content::Nothing => {
                cell.set_char(code);
                cell.set_width(1);
                return;
            }
            Content::Char(first) => char::from_u32(first).map(String::from).unwrap_or_default(),
            Content::Combined(index) => self.combined(index).to_owned(),
        };
        let full = text.chars().count() >= MAX_CHARS || self.combined_bytes >= MAX_COMBINED_BYTES;
        let (false, Some(added), Ok(index)) = (full, char::from_u32(code), u32::try_from(self.combined.len())) else {
            return;
        };
        text.push(added);
        self.combined_bytes += text.len();
        self.combined.push(text.into());
        cell.set_combined(index);
    }

    /// Whether it is time to drop what no cell uses.
    #[inline]
    pub(crate) fn is_grown(&self) -> bool {
        let limit = self.limit.max(MIN_LIMIT);
        self.combined.len() >= limit || self.extras.entries.len() >= limit || self.links.is_full(MAX_LINKS)
    }

    /// Keeps what `cells` and the attributes in `pens` use, under new ids.
    pub(crate) fn collect<'a>(&mut self, cells: impl Iterator<Item = &'a mut Cell>, pens: &mut [&mut Extra]) {
        let old = std::mem::take(self);
        for cell in cells {
            if let Content::Combined(index) = cell.content() {
                let text = old.combined[index as usize].clone();
                cell.set_combined(u32::try_from(self.combined.len()).unwrap_or_default());
                self.combined_bytes += text.len();
                self.combined.push(text);
            }
            if cell.extra != 0 {
                let extra = self.moved(&old, old.extra(cell.extra));
                cell.extra = self.extras.add(extra);
            }
        }
        for pen in pens {
            **pen = self.moved(&old, **pen);
        }
        self.limit = 2 * self.combined.len().max(self.extras.entries.len());
    }

    fn moved(&mut self, old: &Rare, extra: Extra) -> Extra {
        let link = old.link(extra.link).map_or(0, |link| self.links.add(link.clone()));
        let mut moved = extra;
        moved.link = link;
        moved
    }
}

/// Values with ids from 1 on; equal values have one id.
struct Table<T> {
    entries: Vec<T>,
    ids: HashMap<T, u32>,
}

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table { entries: Vec::new(), ids: HashMap::new() }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Table<T> {
    fn get(&self, id: u32) -> Option<&T> {
        self.entries.get((id as usize).checked_sub(1)?)
    }

    fn is_full(&self, limit: usize) -> bool {
        self.entries.len() >= limit
    }

    fn add(&mut self, value: T) -> u32 {
        if let Some(id) = self.ids.get(&value) {
            return *id;
        }
        self.entries.push(value.clone());
        let id = u32::try_from(self.entries.len()).unwrap_or_default();
        self.ids.insert(value, id);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Style;

    #[test]
    fn a_cell_takes_only_so_many_characters() {
        let mut rare = Rare::default();
        let mut cell = Cell::new(u32::from('e'), 1, Style::default());
        for _ in 0..1000 {
            rare.join(&mut cell, 0x301);
        }
        let Content::Combined(index) = cell.content() else { panic!("not combined") };
        assert_eq!(rare.combined(index).chars().count(), MAX_CHARS);
    }

    #[test]
    fn collecting_keeps_what_is_used() {
        let mut rare = Rare::default();
        let link = |n: usize| Link { id: String::new(), uri: format!("https://a/{n}") };
        let mut cells = [Cell::new(u32::from('e'), 1, Style::default()); 2];
        rare.join(&mut cells[0], 0x300);
        rare.join(&mut cells[1], 0x301);
        let mut pen = Extra::default();
        for n in 0..MAX_LINKS {
            pen.link = rare.add_link(link(n));
            cells[0].extra = rare.add_extra(pen);
        }
        assert!(rare.is_grown());
        assert_eq!(rare.add_link(link(MAX_LINKS)), 0);
        rare.collect(cells.iter_mut().skip(1), &mut [&mut pen]);
        assert_eq!((rare.combined.len(), rare.extras.entries.len(), rare.links.entries.len()), (1, 0, 1));
        assert_eq!(rare.link(pen.link), Some(&link(MAX_LINKS - 1)));
        let Content::Combined(index) = cells[1].content() else { panic!("not combined") };
        assert_eq!(rare.combined(index), "e\u{301}");
    }
}
