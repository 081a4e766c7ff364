import { createHash } from 'node:crypto';

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 10vh auto; max-width: 22rem; padding: 0 1rem; }
h1 { font-size: 1.3rem; }
label { display: block; margin: 1rem 0; }
input { box-sizing: border-box; display: block; font: inherit; padding: .5rem; width: 100%; }
button { font: inherit; margin: .5rem .5rem 0 0; padding: .5rem 1rem; }
[role=alert] { color: light-dark(#b00020, #ff8a80); }
`;
const styleHash = createHash('sha256').update(style).digest('base64');

/** Every page's headers: nothing is loaded, nothing is framed, nothing is kept. */
export const pageHeaders = {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; frame-ancestors 'none'`,
    'Cache-Control': 'no-store',
    'Referrer-Policy': 'no-referrer'
};

export function signInPage({ uid, app, people, problem }) {
    return page(
        'Sign in to Todo',
        `<p>${safe(app)} wants to use your todos.</p>
${problem ? `<p role="alert">${safe(problem)}</p>` : ''}
<form method="post" action="/interaction/${safe(uid)}/login">
<label>Name <input name="login" autocomplete="username" required autofocus></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<button type="submit">Sign in</button>
</form>
<p>This is an example. The people are ${people.map(safe).join(', ')}; README.md has the password.</p>`
    );
}

export function consentPage({ uid, app, person, wants, host }) {
    return page(
        `Allow ${app}?`,
        `<p>You are signed in as ${safe(person)}. ${safe(app)} at ${safe(host)} will be able to:</p>
<ul>${wants.map((want) => `<li>${safe(want)}</li>`).join('')}</ul>
<form method="post" action="/interaction/${safe(uid)}/decide">
<button name="decision" value="allow" type="submit">Allow</button>
<button name="decision" value="deny" type="submit">Deny</button>
</form>
<p><a href="/sign-out">You are somebody else?</a></p>`
    );
}

export function messagePage(title, text) {
    return page(title, `<p>${safe(text)}</p>`);
}

function page(title, body) {
    return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${safe(title)}</title><style>${style}</style></head>
<body><h1>${safe(title)}</h1>
${body}
</body></html>
`;
}

function safe(text) {
    return String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}
