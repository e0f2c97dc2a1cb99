// The page: signs a user in with Firebase, creates a session of that user's in Podling, and shows its terminal.
import { initializeApp } from 'https://www.gstatic.com/firebasejs/12.19.0/firebase-app.js';
import {
  connectAuthEmulator, createUserWithEmailAndPassword, getAuth, onAuthStateChanged, signInWithEmailAndPassword, signOut,
} from 'https://www.gstatic.com/firebasejs/12.19.0/firebase-auth.js';
import * as config from './config.js';
import { Podling } from './podling.js';
import { show } from './terminal.js';

const auth = getAuth(initializeApp(config.firebase));
if (config.emulator) connectAuthEmulator(auth, config.emulator, { disableWarnings: true });
// The SDK keeps the ID token fresh: it is asked for before every request, and never stored by this page.
const podling = new Podling(config.podling, () => auth.currentUser.getIdToken());

const at = (id) => document.getElementById(id);
let close = () => {};

onAuthStateChanged(auth, (user) => {
  at('sign-in').hidden = Boolean(user);
  at('create').hidden = !user;
  if (!user) close();
  say(user ? `Signed in as ${user.email}` : 'Sign in, or sign up');
});

at('sign-in').addEventListener('submit', (event) => {
  event.preventDefault();
  attempt(() => signInWithEmailAndPassword(auth, at('email').value, at('password').value));
});
at('join').addEventListener('click', () => {
  if (at('sign-in').reportValidity()) {
    attempt(() => createUserWithEmailAndPassword(auth, at('email').value, at('password').value));
  }
});
at('leave').addEventListener('click', () => attempt(() => signOut(auth)));
at('create').addEventListener('submit', (event) => {
  event.preventDefault();
  attempt(async () => {
    close();
    const session = await podling.create({ command: at('command').value });
    say(`Session ${session.id} starts`);
    close = show(at('terminal'), podling.terminal(session), say);
  });
});

async function attempt(action) {
  try {
    await action();
  } catch (error) {
    say(error.message);
  }
}

function say(text) {
  at('said').textContent = text;
}
