/** What the environment says, with what holds where it says nothing. */
export function readSettings(env) {
    const list = (name, otherwise) => (env[name] ?? otherwise).split(',').map((item) => item.trim()).filter(Boolean);
    const seconds = (name, otherwise) => {
        const value = Number(env[name] ?? otherwise);
        if (!Number.isInteger(value) || value < 1) throw new Error(`${name} is a whole number of seconds, at least 1`);
        return value;
    };
    const choice = (name, otherwise) => {
        const value = env[name] ?? otherwise;
        if (value !== 'on' && value !== 'off') throw new Error(`${name} is on or off`);
        return value === 'on';
    };
    const settings = {
        host: env.HOST ?? '127.0.0.1',
        port: Number(env.PORT ?? 9100),
        publicUrl: env.TODO_PUBLIC_URL?.replace(/\/+$/, ''),
        people: list('TODO_PEOPLE', 'alice,bob,carol'),
        password: env.TODO_PASSWORD ?? 'todo',
        accessSeconds: seconds('TODO_ACCESS_SECONDS', 300),
        refreshSeconds: seconds('TODO_REFRESH_SECONDS', 14 * 24 * 3600),
        tokenPrefix: env.TODO_TOKEN_PREFIX ?? 'todo_',
        rotate: choice('TODO_ROTATE', 'on'),
        registration: choice('TODO_REGISTRATION', 'on'),
        ledger: choice('TODO_LEDGER', 'off'),
        client: undefined
    };
    if (env.TODO_CLIENT_ID) {
        settings.client = {
            client_id: env.TODO_CLIENT_ID,
            client_secret: env.TODO_CLIENT_SECRET,
            redirect_uris: list('TODO_REDIRECT_URIS', '')
        };
    }
    return settings;
}
