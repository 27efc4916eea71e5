/* The demo shop's own script: who is signed in, light or dark, questions about a product, the mailbox.
 * It stands for what a real shop does: hand the widget a signed token of its customer. */
(() => {
  'use strict';
  const PERSONA = 'fernway:persona';
  const TOKEN = 'fernway:token';
  const THEME = 'fernway:theme';

  const kept = (storage, key) => { try { return storage.getItem(key) ?? ''; } catch { return ''; } };
  const keep = (storage, key, value) => { try { storage.setItem(key, value); } catch { /* storage is forbidden */ } };
  const widget = () => document.querySelector('amends-chat');
  const persona = document.getElementById('persona');

  // ------------------------------------------------------------------ who is signed in

  /** A token fetched before, for the same customer and good for another minute; else ''. */
  const known = (email) => {
    try {
      const { for: owner, token } = JSON.parse(kept(sessionStorage, TOKEN));
      const { exp } = JSON.parse(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')));
      return owner === email && exp * 1000 > Date.now() + 60000 ? token : '';
    } catch { return ''; }
  };

  const give = (token) => {
    const chat = widget();
    if (chat) chat.token = token;
    else document.getElementById('amends').dataset.token = token;
  };

  const signIn = async (email) => {
    if (!email) { give(''); return; }
    const response = await fetch(`/demo/token?customer=${encodeURIComponent(email)}`);
    if (!response.ok || persona.value !== email) return;
    const { token } = await response.json();
    keep(sessionStorage, TOKEN, JSON.stringify({ for: email, token }));
    give(token);
  };

  const remembered = kept(localStorage, PERSONA);
  if ([...persona.options].some((option) => option.value === remembered)) persona.value = remembered;
  const token = known(persona.value);
  if (token) give(token);
  else if (persona.value) signIn(persona.value);
  persona.addEventListener('change', () => {
    keep(localStorage, PERSONA, persona.value);
    signIn(persona.value);
  });
  document.addEventListener('amends-token-expired', () => signIn(persona.value));

  // ------------------------------------------------------------------ light or dark

  const theme = (choice) => {
    if (choice) document.documentElement.dataset.theme = choice;
    const chat = widget();
    if (chat) chat.theme = choice || 'auto';
    else document.getElementById('amends').dataset.theme = choice || 'auto';
  };
  theme(kept(localStorage, THEME));
  document.getElementById('theme').addEventListener('click', () => {
    const dark = (document.documentElement.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';
    keep(localStorage, THEME, dark ? 'light' : 'dark');
    theme(dark ? 'light' : 'dark');
  });

  // ------------------------------------------------------------------ questions

  document.addEventListener('click', (event) => {
    const button = event.target.closest('[data-ask]');
    if (button) widget()?.open(button.dataset.ask);
  });

  // ------------------------------------------------------------------ the mailbox

  const mailbox = document.getElementById('mailbox');
  if (!mailbox) return;
  const line = (tag, text, name) => {
    const node = document.createElement(tag);
    node.textContent = text;
    if (name) node.className = name;
    return node;
  };
  let shown = '';
  const refresh = async () => {
    const response = await fetch('/demo/mailbox.json').catch(() => null);
    if (!response?.ok) return;
    const text = await response.text();
    if (text === shown) return;
    shown = text;
    const { mails } = JSON.parse(text);
    document.getElementById('mailbox-empty').hidden = mails.length > 0;
    mailbox.replaceChildren(...mails.map((mail) => {
      const item = document.createElement('li');
      item.dataset.testid = 'mail';
      const at = new Date(mail.at).toLocaleString(document.documentElement.lang, { dateStyle: 'medium', timeStyle: 'short' });
      item.append(line('h2', mail.subject), line('p', `${mailbox.dataset.to} ${mail.to} · ${at}`, 'version'), line('p', mail.text, 'mail'));
      return item;
    }));
  };
  refresh();
  setInterval(refresh, 3000);
})();
