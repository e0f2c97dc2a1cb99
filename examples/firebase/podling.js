// What a front end needs of Podling's API. All of it is described at /docs of your Podling.

export class Podling {
  #url;
  #idToken;

  /** `idToken` gives an ID token that has not expired; it is asked before every request. */
  constructor(url, idToken) {
    this.#url = url;
    this.#idToken = idToken;
  }

  /** Creates a session, which starts behind the answer. */
  create(wanted) {
    // The key makes a repeat of this request, by you or by a proxy, give the same session.
    return this.#ask('POST', '/api/sessions', wanted, { 'Idempotency-Key': crypto.randomUUID() });
  }

  list() {
    return this.#ask('GET', '/api/sessions');
  }

  get(id) {
    return this.#ask('GET', `/api/sessions/${id}`);
  }

  /** A session with another one-time token: to open its terminal again. */
  token(id) {
    return this.#ask('POST', `/api/sessions/${id}/token`);
  }

  remove(id) {
    return this.#ask('DELETE', `/api/sessions/${id}`);
  }

  /**
   * A WebSocket that is the session's terminal: bytes in are keys, bytes out are output. The session's token opens it
   * once. It stands in the subprotocol, because URLs are written into logs; the ID token never goes there.
   */
  terminal(session) {
    const socket = new WebSocket(this.#url.replace(/^http/, 'ws') + session.wsUrl, ['bearer', session.token]);
    socket.binaryType = 'arraybuffer';
    return socket;
  }

  async #ask(method, path, body, headers = {}) {
    const response = await fetch(this.#url + path, {
      method,
      headers: {
        Authorization: `Bearer ${await this.#idToken()}`,
        ...(body && { 'Content-Type': 'application/json' }),
        ...headers,
      },
      body: body && JSON.stringify(body),
    });
    const answer = await response.json();
    if (!response.ok) throw Object.assign(new Error(answer.detail), { status: response.status, problem: answer });
    return answer;
  }
}
