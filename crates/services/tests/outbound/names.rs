//! A resolver that says whatever a test wants.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::IpAddr,
    sync::Mutex,
};

use async_trait::async_trait;
use doer_services::egress::Resolve;

/// Answers from a list, the last one for ever; counts the questions.
pub struct Names {
    answers: Mutex<BTreeMap<String, VecDeque<Vec<IpAddr>>>>,
    questions: Mutex<Vec<String>>,
}

impl Names {
    /// Names, and what each leads to, time after time: addresses with spaces between them.
    pub fn new(names: &[(&str, &[&str])]) -> Self {
        let parsed = |answer: &&str| answer.split(' ').map(|address| address.parse().unwrap()).collect();
        let answers = names.iter().map(|(name, answers)| ((*name).to_owned(), answers.iter().map(parsed).collect()));
        Self { answers: Mutex::new(answers.collect()), questions: Mutex::default() }
    }

    /// What it was asked.
    pub fn questions(&self) -> Vec<String> {
        self.questions.lock().unwrap().clone()
    }
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.questions.lock().unwrap().push(host.to_owned());
        let mut answers = self.answers.lock().unwrap();
        let answers = answers.get_mut(host).ok_or_else(|| io::Error::other("no such name"))?;
        match answers.len() {
            1 => Ok(answers[0].clone()),
            _ => Ok(answers.pop_front().unwrap()),
        }
    }
}
