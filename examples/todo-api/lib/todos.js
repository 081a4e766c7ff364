import { HTTPError, readJSON, sendJSON } from './http.js';

const first = { alice: 'Water the plants', bob: 'Return the library books' };

/** The API: everybody's own todos, for whoever brings an access token of theirs. */
export class Todos {
    #byPerson = new Map();
    #next = 1;

    constructor({ provider, issuer, ledger }) {
        Object.assign(this, { provider, issuer, ledger });
    }

    async handle(req, res, path) {
        const writes = req.method !== 'GET';
        const person = await this.#authorize(req, writes ? 'todos:write' : 'todos:read');
        this.ledger.count('calls', person);
        const id = path.startsWith('/todos/') ? path.slice('/todos/'.length) : undefined;
        const route = `${req.method} ${id === undefined ? path : '/todos/{id}'}`;
        const todos = this.#of(person);
        switch (route) {
            case 'GET /todos':
                return sendJSON(res, 200, todos);
            case 'POST /todos': {
                const todo = this.#new(titleOf(await readJSON(req)));
                todos.push(todo);
                return sendJSON(res, 201, todo, { Location: `${this.issuer}/todos/${todo.id}` });
            }
            case 'GET /todos/{id}':
                return sendJSON(res, 200, find(todos, id));
            case 'PATCH /todos/{id}': {
                const todo = find(todos, id);
                const change = await readJSON(req);
                if ('title' in change) todo.title = titleOf(change);
                if ('done' in change) {
                    if (typeof change.done !== 'boolean') throw new HTTPError(400, 'invalid_todo', 'done is true or false.');
                    todo.done = change.done;
                }
                return sendJSON(res, 200, todo);
            }
            case 'DELETE /todos/{id}':
                todos.splice(todos.indexOf(find(todos, id)), 1);
                return sendJSON(res, 204);
            default:
                throw new HTTPError(405, 'method_not_allowed', 'The API has no such operation.');
        }
    }

    async #authorize(req, scope) {
        const challenge = (more) => ({
            'WWW-Authenticate': `Bearer ${more}resource_metadata="${this.issuer}/.well-known/oauth-protected-resource"`
        });
        const match = /^Bearer ([A-Za-z0-9._~+/-]+=*)$/i.exec(req.headers.authorization ?? '');
        if (!match) {
            this.ledger.count('callsRefused');
            throw new HTTPError(401, 'unauthorized', 'An access token is needed.', challenge(''));
        }
        const token = await this.provider.AccessToken.find(match[1]);
        if (!token) {
            this.ledger.count('callsRefused');
            throw new HTTPError(401, 'invalid_token', 'The access token is unknown, expired or revoked.', challenge('error="invalid_token", '));
        }
        if (!token.scopes.has(scope)) {
            this.ledger.count('callsRefused', token.accountId);
            throw new HTTPError(403, 'insufficient_scope', `The access token has no ${scope}.`, challenge(`error="insufficient_scope", scope="${scope}", `));
        }
        return token.accountId;
    }

    #of(person) {
        if (!this.#byPerson.has(person)) this.#byPerson.set(person, first[person] ? [this.#new(first[person])] : []);
        return this.#byPerson.get(person);
    }

    #new(title) {
        return { id: String(this.#next++), title, done: false };
    }
}

function titleOf({ title }) {
    if (typeof title !== 'string' || title.trim() === '' || title.length > 200) {
        throw new HTTPError(400, 'invalid_todo', 'title is a text of 1 to 200 characters.');
    }
    return title.trim();
}

function find(todos, id) {
    const todo = todos.find((each) => each.id === id);
    if (!todo) throw new HTTPError(404, 'not_found', 'There is no such todo.');
    return todo;
}
