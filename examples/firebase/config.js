// The three things to change. None of them is a secret: Firebase's "API key" names a project, it opens nothing.

/** From the Firebase console: Project settings, Your apps. */
export const firebase = { apiKey: 'demo', projectId: 'demo-podling', authDomain: 'demo-podling.firebaseapp.com' };

/** The Firebase Auth emulator while you develop; null for the real Firebase. */
export const emulator = 'http://127.0.0.1:9099';

/** Where Podling is. */
export const podling = 'http://127.0.0.1:8080';
