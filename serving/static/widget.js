/* Amends: the shopper's chat widget. Licence: Apache-2.0.
 *
 *   <script src="https://HOST/widget.js" data-token="..." data-language="en" data-accent="#2f5d50" defer></script>
 *
 * The view is folded from the stored events (docs/protocol.md): a reconnection, a reload or another
 * language only replays them. Text from the server is set as text, never parsed as HTML.
 */
(() => {
  'use strict';
  if (customElements.get('amends-chat')) return;

  const SCRIPT = document.currentScript;
  const ORIGIN = SCRIPT ? new URL(SCRIPT.src).origin : location.origin;
  const LONGEST_MESSAGE = 4000;
  const REPEAT_AFTER = 15000;
  const FIRST_RETRY = 500;
  const LONGEST_RETRY = 30000;
  const PING_EVERY = 20000;
  const SILENT_FOR = 45000;

  // ---------- words

  const LANGUAGES = { en: 'English', zh: '中文' };

  // Each text in the order of LANGUAGES.
  const TEXTS = {
    open: ['Open chat', '打开客服对话'],
    unread: [(n) => `Open chat, ${n} new`, (n) => `打开客服对话，${n} 条新消息`],
    close: ['Close chat', '关闭对话'],
    menu: ['Menu', '菜单'],
    title: ['Customer service', '在线客服'],
    subtitle: ['Automated assistant', '自动助手'],
    hello: [(name) => `Hello${name && ` ${name}`}, how can I help?`, (name) => `${name && `${name}，`}您好！请问有什么可以帮您？`],
    intro: ['I am an automated assistant. I answer from the shop’s pages and your orders and show my sources. You can talk to a person at any time.', '我是自动助手，依据本店页面和您的订单回答，并附上来源。您可以随时转人工服务。'],
    starters: [['Where is my order?', 'How do I return something?', 'What does shipping cost?'], ['我的订单到哪里了？', '怎么退货？', '运费是多少？']],
    log: ['Conversation', '对话内容'],
    write: ['Write a message', '输入消息'],
    send: ['Send', '发送'],
    person: ['Talk to a person', '转人工服务'],
    personShort: ['Person', '人工'],
    personAsked: ['A person has been asked for', '已请求人工服务'],
    you: ['You', '您'],
    assistant: ['Assistant', '助手'],
    staff: ['Staff', '客服'],
    checking: ['Checking against the sources…', '正在核对来源…'],
    thinking: ['The assistant is working…', '助手正在处理…'],
    typing: [(name) => `${name} is typing…`, (name) => `${name} 正在输入…`],
    withdrawn: [(n) => `I took back ${n > 1 ? `${n} sentences` : 'a sentence'} I could not support.`, (n) => `我撤回了${n > 1 ? ` ${n} ` : '一'}句没有依据的话。`],
    quoted: ['Quoted from the source', '引自原文'],
    sources: ['Sources', '来源'],
    source: [(n, title) => `Source ${n}: ${title}`, (n, title) => `来源 ${n}：${title}`],
    version: ['Version', '版本'],
    loading: ['Opening the source…', '正在打开来源…'],
    gone: ['This source can no longer be opened. The answer relied on these words:', '该来源已无法打开。回答依据的原文：'],
    unreachable: ['The source could not be loaded.', '来源加载失败。'],
    again: ['Try again', '重试'],
    dismiss: ['Close', '关闭'],
    live: ["Read live from the shop's data", '实时读取自店铺数据'],
    sending: ['Sending…', '发送中…'],
    queued: ['Waiting for the connection', '等待网络连接'],
    failed: ['Not sent.', '未发送。'],
    edit: ['Write again', '重新编辑'],
    offline: ['No connection. Trying again; what you write is kept.', '连接已断开，正在重试；您输入的内容会保留。'],
    expired: ['Your sign-in has expired. Please reload the page.', '登录已过期，请刷新页面。'],
    waiting: ['A person will join you here. You can go on writing.', '人工客服即将加入，您可以继续留言。'],
    joined: [(name) => `You are talking with ${name}.`, (name) => `${name} 正在为您服务。`],
    noteWaiting: ['A person has been asked to join.', '已为您请求人工客服。'],
    noteJoined: [(name) => `${name} has joined.`, (name) => `${name} 已加入对话。`],
    noteReturned: ['The assistant is back.', '助手继续为您服务。'],
    noteOrder: [(order) => `Order ${order} is confirmed as yours.`, (order) => `已确认订单 ${order} 属于您。`],
    noteClosed: {
      shopper: ['You ended the conversation.', '您结束了对话。'],
      staff: ['The conversation was closed.', '对话已关闭。'],
      idle: ['Closed after a while without messages.', '一段时间没有消息，对话已关闭。'],
    },
    confirmTitle: ['Please confirm', '请确认'],
    yes: ['Confirm', '确认'],
    no: ['Keep as it is', '保持不变'],
    expires: [(when) => `Expires ${when}`, (when) => `${when}过期`],
    lapsed: ['Expired. Please ask again if you still want this.', '已过期。如仍需要，请重新提出。'],
    working: ['Confirmed. Working on it…', '已确认，正在处理…'],
    done: ['Done', '已完成'],
    reference: ['Reference', '编号'],
    declined: {
      shopper: ['Kept as it is. Nothing was changed.', '已保持不变，未作任何更改。'],
      superseded: ['No longer open: something newer came first.', '已失效：有更新的请求。'],
      expired: ['Expired. Nothing was changed.', '已过期，未作任何更改。'],
      handed_over: ['No longer open: a person takes care of it.', '已失效：由人工客服处理。'],
    },
    actionFailed: ['That did not work. Nothing was changed.', '操作未成功，未作任何更改。'],
    actionUnknown: ['The shop did not answer in time. A person will check whether this went through; please don’t repeat it.', '商店系统未及时响应。人工客服会核实是否已生效，请勿重复操作。'],
    offerTitle: ['An offer for you', '给您的优惠'],
    take: ['Accept', '接受'],
    leave: ['No, thank you', '不用了，谢谢'],
    taken: ['Accepted', '已接受'],
    refused: ['Declined', '已谢绝'],
    until: [(day) => `Valid until ${day}`, (day) => `有效期至 ${day}`],
    rateTitle: ['How was this conversation?', '您对这次对话满意吗？'],
    score: [(n) => `${n} of 5`, (n) => `${n} 分（满分 5 分）`],
    worst: ['Poor', '不满意'],
    best: ['Great', '很满意'],
    comment: ['Anything we should know? (optional)', '还有什么想告诉我们？（选填）'],
    rate: ['Send rating', '提交评分'],
    rated: ['Thank you for your rating.', '感谢您的评分。'],
    end: ['End conversation', '结束对话'],
    fresh: ['Start a new conversation', '开始新对话'],
    language: ['Language', '语言'],
    theme: ['Appearance', '外观'],
    themes: { auto: ['System', '跟随系统'], light: ['Light', '浅色'], dark: ['Dark', '深色'] },
    kinds: { cancel: ['Cancel the order', '取消订单'], return: ['Return items', '退货'], exchange: ['Exchange items', '换货'], change_address: ['Change the address', '更改地址'] },
    fields: {
      action: ['Change', '操作'], order: ['Order', '订单'], reason: ['Reason', '原因'], lines: ['Order lines', '订单行'], sku: ['New item (SKU)', '新商品（SKU）'],
      recipient: ['Recipient', '收件人'], line1: ['Address', '地址'], line2: ['Address, line 2', '地址第二行'], city: ['City', '城市'], region: ['Region', '地区'], postal_code: ['Postal code', '邮编'], country: ['Country', '国家'],
    },
  };
  const choose = (texts, at) => (Array.isArray(texts) ? texts[at] : Object.fromEntries(Object.entries(texts).map(([key, inner]) => [key, choose(inner, at)])));
  const WORDS = Object.fromEntries(Object.keys(LANGUAGES).map((language, at) => [language, choose(TEXTS, at)]));

  // ---------- looks

  const STYLE = `
:host { all: initial; --accent: #2f5d50; --on-accent: oklch(from var(--accent) clamp(.16, (.68 - l) * 1000, 1) 0 0);
  --bg: #fff; --soft: #f4f6f4; --text: #1b2320; --muted: #5a6761; --line: #e2e7e3; --warn: #8a4b00; --warn-bg: #fff4e2;
  --ink: oklch(from var(--accent) min(l, .45) c h); --tint: color-mix(in srgb, var(--accent) 9%, var(--bg));
  --shadow: 0 1px 2px rgb(16 24 20 / .06), 0 12px 40px rgb(16 24 20 / .18);
  color-scheme: light; font: 15px/1.55 -apple-system, "Segoe UI", Roboto, Arial, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; }
:host([data-theme=dark]) { --bg: #151a18; --soft: #1f2623; --text: #e7ede9; --muted: #a1b0a8; --line: #2f3935; --warn: #ffca85; --warn-bg: #33260f;
  --ink: oklch(from var(--accent) max(l, .82) min(c, .1) h); --tint: color-mix(in srgb, var(--accent) 26%, var(--bg));
  --shadow: 0 0 0 1px #2f3935, 0 16px 48px rgb(0 0 0 / .55); color-scheme: dark; }
*, ::before, ::after { box-sizing: border-box; }
[hidden] { display: none !important; }
button, textarea, input { font: inherit; color: inherit; letter-spacing: inherit; }
button { cursor: pointer; background: none; border: 0; padding: 0; stroke-width: 1.8; }
button:disabled { cursor: default; }
:focus-visible { outline: 2px solid var(--ink); outline-offset: 2px; }
svg { width: 1.35em; height: 1.35em; flex: none; fill: none; stroke: currentColor; stroke-linecap: round; stroke-linejoin: round; }
p, ul, ol, dl, dd, h2, h3, fieldset { margin: 0; padding: 0; border: 0; min-width: 0; }

.launcher { position: fixed; right: 24px; bottom: 24px; z-index: 2147483000; width: 60px; height: 60px; border-radius: 50%; display: grid; place-items: center;
  background: var(--accent); color: var(--on-accent); box-shadow: var(--shadow); font-size: 21px; }
.launcher:hover, .send:hover:enabled { filter: brightness(1.12); }
.badge { position: absolute; top: -2px; right: -2px; min-width: 22px; padding: 0 6px; border-radius: 11px; background: #b3261e; color: #fff; font-size: 12px; line-height: 22px; font-weight: 600; text-align: center; }

.panel { position: fixed; right: 24px; bottom: 24px; z-index: 2147483001; width: 416px; height: min(700px, calc(100dvh - 48px)); display: flex; flex-direction: column; overflow: hidden;
  background: var(--bg); color: var(--text); border-radius: 20px; box-shadow: var(--shadow); animation: rise .22s ease; }
@keyframes rise { from { opacity: 0; transform: translateY(12px); } }
header { position: relative; display: flex; align-items: center; gap: 2px; padding: 14px 10px 14px 20px; border-bottom: 1px solid var(--line); }
.who { flex: 1; min-width: 0; }
.who h2 { font-size: 16px; line-height: 1.3; font-weight: 600; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.who p { font-size: 13px; line-height: 1.4; color: var(--muted); white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.round { width: 36px; height: 38px; border-radius: 50%; display: grid; place-items: center; color: var(--muted); flex: none; }
[data-testid=menu] { stroke-width: 3; }
.round:hover { background: var(--soft); color: var(--text); }
.person { display: flex; align-items: center; gap: 6px; height: 38px; padding: 0 13px 0 10px; margin: 0 4px; border-radius: 19px; white-space: nowrap; font-size: 14px; font-weight: 600; color: var(--ink); background: var(--tint); flex: none; }
.person:hover { box-shadow: inset 0 0 0 1px currentColor; }
.person[aria-disabled=true] { color: var(--muted); background: var(--soft); box-shadow: none; cursor: default; }
.person .short { display: none; }
.menu { position: absolute; top: calc(100% - 4px); right: 12px; z-index: 3; width: 248px; padding: 16px; display: grid; gap: 16px; background: var(--bg); border: 1px solid var(--line); border-radius: 14px; box-shadow: var(--shadow); }
.menu legend { padding: 0; font-size: 13px; color: var(--muted); margin-bottom: 6px; }
.pick { display: flex; gap: 4px; padding: 3px; border-radius: 10px; background: var(--soft); }
.pick label { position: relative; flex: 1; text-align: center; padding: 5px 4px; border-radius: 8px; font-size: 14px; cursor: pointer; }
.pick input, .scores input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: pointer; }
.pick label:has(:checked) { background: var(--bg); font-weight: 600; box-shadow: 0 1px 3px rgb(0 0 0 / .14); }
label:has(:focus-visible) { outline: 2px solid var(--ink); outline-offset: 1px; }
.menu > button { text-align: left; padding: 8px 10px; margin: 0 -10px; border-radius: 8px; }
.menu > button:hover { background: var(--soft); }

.banner { padding: 9px 18px; font-size: 14px; line-height: 1.45; background: var(--tint); color: var(--text); border-bottom: 1px solid var(--line); }
.banner[data-state=offline], .banner[data-state=expired] { background: var(--warn-bg); color: var(--warn); }
.scroll { flex: 1; overflow-y: auto; overscroll-behavior: contain; padding: 20px 18px 12px; display: flex; flex-direction: column; outline-offset: -3px; }
.greeting { padding: 6px 4px 18px; }
.greeting h3 { font-size: 21px; line-height: 1.3; font-weight: 600; letter-spacing: -.01em; margin-bottom: 8px; text-wrap: balance; }
.greeting p { color: var(--muted); font-size: 14px; }
.log, .stored, .pending { display: flex; flex-direction: column; }
.message { max-width: 88%; margin-bottom: 10px; align-self: flex-start; }
.meta { display: flex; gap: 6px; align-items: baseline; font-size: 13px; color: var(--muted); margin: 6px 4px 4px; }
.meta b { font-weight: 600; color: var(--text); }
.text { padding: 11px 15px; border-radius: 18px; border-top-left-radius: 6px; background: var(--soft); overflow-wrap: anywhere; }
.text > * + * { margin-top: .6em; }
.text ul, .text ol { padding-left: 1.3em; }
.text li + li { margin-top: .2em; }
.text a, .passage a { color: var(--ink); text-underline-offset: 2px; }
.shopper { align-self: flex-end; }
.shopper .text { background: var(--accent); color: var(--on-accent); border-radius: 18px; border-bottom-right-radius: 6px; white-space: pre-wrap; }
.shopper.unsent .text { opacity: .72; }
.staff .text { background: var(--tint); box-shadow: inset 3px 0 0 var(--ink); }
.state { font-size: 13px; color: var(--muted); margin: 4px 4px 0; text-align: right; }
.state button, .link { color: var(--ink); text-decoration: underline; text-underline-offset: 2px; }
.cite { display: inline-block; min-width: 20px; height: 20px; margin: 0 2px; padding: 0 5px; border-radius: 6px; vertical-align: 1px; font-size: 12px; line-height: 20px; font-weight: 600; text-align: center; color: var(--ink); background: color-mix(in srgb, var(--ink) 15%, transparent); }
.cite:hover { background: var(--ink); color: var(--bg); }
.sources { display: flex; flex-wrap: wrap; gap: 6px; margin: 7px 2px 0; list-style: none; }
.sources button { display: flex; gap: 7px; align-items: baseline; max-width: 100%; padding: 3px 10px 3px 8px; border-radius: 9px; border: 1px solid var(--line); font-size: 13px; color: var(--muted); text-align: left; }
.sources button:hover { color: var(--text); border-color: var(--muted); }
.sources b { color: var(--ink); font-weight: 600; }
.aside { font-size: 13px; color: var(--muted); margin: 6px 4px 0; }
.aside.withdrawn { display: flex; gap: 6px; align-items: baseline; }
.aside.withdrawn::before { content: "↶"; }
.note { align-self: center; text-align: center; font-size: 13px; color: var(--muted); margin: 6px 12px 14px; }
.draft .text { background: transparent; box-shadow: inset 0 0 0 1px var(--line); color: var(--muted); }
.draft del { opacity: .65; text-decoration-thickness: 1.5px; }
.checking { display: flex; gap: 7px; align-items: center; font-size: 13px; color: var(--muted); margin: 6px 4px 0; }
.dots { display: inline-flex; gap: 4px; }
.dots i { width: 6px; height: 6px; border-radius: 50%; background: var(--ink); opacity: .35; animation: pulse 1.2s infinite; }
.dots i:nth-child(2) { animation-delay: .18s; } .dots i:nth-child(3) { animation-delay: .36s; }
@keyframes pulse { 40% { opacity: 1; } }
.typing { display: inline-flex; align-items: center; gap: 9px; padding: 8px 4px; font-size: 13px; color: var(--muted); }

.card { align-self: stretch; margin: 4px 0 14px; padding: 16px; border: 1px solid var(--line); border-radius: 16px; background: var(--bg); overflow-wrap: anywhere; }
.card.open { border-color: var(--ink); box-shadow: 0 0 0 3px var(--tint); }
.card h3 { font-size: 14px; font-weight: 600; margin-bottom: 4px; }
.card dl { display: grid; grid-template-columns: auto 1fr; gap: 3px 14px; margin: 12px 0 0; padding: 10px 12px; border-radius: 10px; background: var(--soft); font-size: 14px; }
.card dt { color: var(--muted); }
.row { display: flex; flex-wrap: wrap; gap: 8px; margin-top: 14px; }
.primary, .secondary { min-height: 40px; padding: 8px 18px; border-radius: 20px; font-size: 14px; font-weight: 600; }
.primary { background: var(--accent); color: var(--on-accent); }
.primary:hover:enabled { filter: brightness(1.12); }
.secondary { box-shadow: inset 0 0 0 1px var(--line); }
.secondary:hover:enabled { background: var(--soft); }
.primary:disabled, .secondary:disabled { background: var(--soft); color: var(--muted); box-shadow: none; }
.status { font-size: 14px; color: var(--muted); margin-top: 10px; }
.status[data-good] { color: var(--text); } .status[data-bad] { color: var(--warn); }
.status b { font-weight: 600; }
.scores { display: flex; gap: 6px; margin-top: 12px; }
.scores label { position: relative; flex: 1; display: grid; place-items: center; height: 42px; border-radius: 12px; border: 1px solid var(--line); font-weight: 600; }
.scores label:hover { border-color: var(--muted); }
.scores label:has(:checked) { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
.ends { display: flex; justify-content: space-between; font-size: 13px; color: var(--muted); margin-top: 5px; }
.comment { display: block; width: 100%; margin-top: 12px; padding: 10px 12px; border-radius: 12px; border: 1px solid var(--line); background: var(--bg); resize: vertical; }

.quick { display: flex; flex-wrap: wrap; gap: 8px; padding: 2px 0 10px; }
.quick button { padding: 7px 14px; border-radius: 18px; border: 1px solid var(--line); color: var(--ink); font-size: 14px; text-align: left; }
.quick button:hover { background: var(--tint); }
.notice { padding: 6px 18px; font-size: 13px; color: var(--warn); }
form.composer { display: flex; align-items: flex-end; gap: 8px; margin: 4px 14px 14px; padding: 5px 5px 5px 16px; border: 1px solid var(--line); border-radius: 24px; background: var(--bg); }
form.composer:focus-within { border-color: var(--ink); box-shadow: 0 0 0 3px var(--tint); }
.composer textarea { flex: 1; min-width: 0; max-height: 140px; padding: 8px 0; border: 0; outline: 0; resize: none; background: none; line-height: 1.45; field-sizing: content; }
::placeholder { color: var(--muted); opacity: 1; }
.send { width: 38px; height: 38px; border-radius: 50%; display: grid; place-items: center; background: var(--accent); color: var(--on-accent); flex: none; }
.send:disabled { background: var(--soft); color: var(--muted); }

dialog { width: min(560px, calc(100vw - 32px)); max-height: min(80dvh, 720px); padding: 0; border: 0; border-radius: 20px; background: var(--bg); color: var(--text); box-shadow: var(--shadow); overflow: hidden; }
dialog[open] { display: flex; flex-direction: column; animation: rise .2s ease; }
dialog::backdrop { background: rgb(10 16 13 / .5); }
.top { display: flex; gap: 12px; align-items: flex-start; padding: 20px 14px 12px 24px; }
.top div { flex: 1; min-width: 0; }
.top h2 { font-size: 18px; line-height: 1.35; font-weight: 600; overflow-wrap: anywhere; }
.top p { color: var(--muted); font-size: 14px; overflow-wrap: anywhere; }
.passage { padding: 4px 24px 24px; overflow-y: auto; overflow-wrap: anywhere; outline-offset: -3px; }
.passage > * + * { margin-top: .7em; }
.passage ul, .passage ol { padding-left: 1.3em; }
blockquote { margin: 0; padding: 2px 0 2px 14px; border-left: 3px solid var(--ink); }
mark { background: color-mix(in srgb, #ffd54a 45%, transparent); color: inherit; border-radius: 3px; padding: 1px 0; }
.bottom { padding: 12px 24px; border-top: 1px solid var(--line); font-size: 13px; color: var(--muted); overflow-wrap: anywhere; }

@media (max-width: 520px), (max-height: 420px) {
  .panel { inset: 0; width: auto; height: 100dvh; border-radius: 0; }
  .launcher { right: 16px; bottom: 16px; }
}
@media (max-width: 400px) {
  header { padding-left: 16px; gap: 2px; } .person { padding: 0 11px 0 8px; }
  .person .long { display: none; } .person .short { display: inline; }
}
@media (prefers-reduced-motion: reduce) { *, ::before, ::after, dialog[open] { animation: none !important; } }
`;

  const ICONS = {
    chat: 'M4 12a8 7.5 0 1 1 3.4 6.2L4 19.5l1-3.4A7 7 0 0 1 4 12ZM8.5 10.5h7M8.5 14h4',
    person: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM4.5 20.5a7.5 7.5 0 0 1 15 0',
    close: 'M6 6l12 12M18 6 6 18',
    down: 'M6 9l6 6 6-6',
    more: 'M4 12h.01M12 12h.01M20 12h.01',
    send: 'M12 19V5M6 11l6-6 6 6',
  };

  // ---------- nodes

  const h = (tag, properties, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(properties ?? {})) {
      if (value == null || value === false) continue;
      if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
      else node.setAttribute(name, value === true ? '' : value);
    }
    node.append(...children.filter((child) => child));
    return node;
  };

  const button = (testid, look, onclick, ...inside) => h('button', { type: 'button', class: look, 'data-testid': testid, onclick }, ...inside);

  const icon = (name) => {
    const [svg, path] = ['svg', 'path'].map((tag) => document.createElementNS('http://www.w3.org/2000/svg', tag));
    svg.setAttribute('viewBox', '0 0 24 24');
    svg.setAttribute('aria-hidden', 'true');
    path.setAttribute('d', ICONS[name]);
    svg.append(path);
    return svg;
  };

  const dots = () => h('span', { class: 'dots', 'aria-hidden': 'true' }, h('i'), h('i'), h('i'));

  /** Only http(s) becomes a link, and a foreign host is shown. */
  const link = (address, label) => {
    let url;
    try { url = new URL(address); } catch { return document.createTextNode(label); }
    if (url.protocol !== 'https:' && url.protocol !== 'http:') return document.createTextNode(label);
    const shown = label === address || url.host === location.host ? label : `${label} (${url.host})`;
    return h('a', { href: url.href, target: '_blank', rel: 'noopener noreferrer' }, shown);
  };

  // Private-use characters around words to mark.
  const [FROM, TO] = '\uE000\uE001';
  const INLINE = /\uE000([^\uE001]*)\uE001|\*\*(?=\S)([^\n]+?)\*\*|\[(\d{1,2})\]|\[([^\]\n]{1,200})\]\(([^\s()]{1,500})\)|(https?:\/\/[^\s<>"'`，。；、！？）】》]+)/g;

  const inline = (text, cite) => {
    const nodes = [];
    let end = 0;
    for (const match of text.matchAll(INLINE)) {
      nodes.push(text.slice(end, match.index));
      end = match.index + match[0].length;
      const [all, marked, bold, ref, label, address, bare] = match;
      if (marked) nodes.push(h('mark', null, ...inline(marked, cite)));
      else if (bold) nodes.push(h('strong', null, ...inline(bold, cite)));
      else if (ref) nodes.push(cite?.(ref) ?? all);
      else if (address) nodes.push(link(address, label));
      else {
        const clean = bare.replace(/[.,;:!?)\]*]+$/, '');
        nodes.push(link(clean, clean), bare.slice(clean.length));
      }
    }
    nodes.push(text.slice(end));
    return nodes.map((node) => node.replace?.(/[\uE000\uE001]/g, '') ?? node);
  };

  /** Bold, lists, headings, links and line breaks as nodes; the rest stays text. */
  const rich = (text, cite) => {
    const out = document.createDocumentFragment();
    let block = null;
    for (const line of text.replace(/\r\n?/g, '\n').split('\n')) {
      const item = /^\s*(?:[-*•]|(\d{1,3})[.)、])\s+(.*)$/.exec(line);
      const heading = /^\s*#{1,6}\s+(.*)$/.exec(line);
      if (!line.trim()) block = null;
      else if (heading) { out.append(h('p', null, h('strong', null, ...inline(heading[1], cite)))); block = null; }
      else if (item) {
        const tag = item[1] ? 'OL' : 'UL';
        if (block?.tagName !== tag) out.append(block = h(tag, { start: item[1] }));
        block.append(h('li', null, ...inline(item[2], cite)));
      } else if (block?.tagName === 'P') block.append(h('br'), ...inline(line, cite));
      else out.append(block = h('p', null, ...inline(line, cite)));
    }
    return out;
  };

  const marked = (text, quote) => rich(quote ? text.replace(quote, () => FROM + quote.replaceAll('\n', `${TO}\n${FROM}`) + TO) : text);

  // ---------- what is kept in the browser

  // Pages may forbid storage: then it is kept as long as the page is.
  const storage = (name) => { try { return window[name] ?? {}; } catch { return {}; } };
  const browser = storage('localStorage');
  const tab = storage('sessionStorage');
  const recall = (key) => { try { return JSON.parse(browser[key]); } catch { return {}; } };
  const keep = (key, change) => { browser[key] = JSON.stringify({ ...recall(key), ...change }); };

  const newId = (prefix) => prefix + crypto.getRandomValues(new Uint32Array(4)).join('-');

  /** Whose token it is, only to keep their conversations apart here; the server verifies it. */
  const subject = (token) => {
    try {
      return `customer:${JSON.parse(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/'))).sub}`;
    } catch { return 'visitor'; }
  };

  // ---------- the connection

  /** One WebSocket that comes back with growing, random pauses. */
  class Connection {
    #socket = null;
    #tries = 0;
    #timer = 0;
    #beat = 0;
    #heard = 0;
    #wanted = false;

    constructor(on) { this.on = on; }

    get wanted() { return this.#wanted; }

    open() {
      if (!this.#wanted) {
        this.#wanted = true;
        addEventListener('online', this.#wake);
        document.addEventListener('visibilitychange', this.#wake);
      }
      this.#dial();
    }

    close() {
      this.#wanted = false;
      removeEventListener('online', this.#wake);
      document.removeEventListener('visibilitychange', this.#wake);
      clearTimeout(this.#timer);
      this.#hangUp();
      this.#tries = 0;
    }

    send(frame) {
      if (this.#socket?.readyState !== WebSocket.OPEN) return false;
      this.#socket.send(JSON.stringify(frame));
      return true;
    }

    /** Everything stored has arrived: the next pause starts small. */
    settled() { this.#tries = 0; }

    #dial() {
      clearTimeout(this.#timer);
      if (this.#socket || !this.#wanted) return;
      const socket = this.#socket = new WebSocket(`${ORIGIN.replace(/^http/, 'ws')}/v1/chat`);
      socket.onopen = () => {
        this.#heard = Date.now();
        this.send(this.on.hello());
        this.#beat = setInterval(() => {
          if (Date.now() - this.#heard < SILENT_FOR) this.send({ type: 'ping' });
          else { this.#hangUp(); this.#later(); }
        }, PING_EVERY);
      };
      socket.onmessage = (message) => {
        if (socket !== this.#socket) return;
        this.#heard = Date.now();
        this.on.frame(JSON.parse(message.data));
      };
      socket.onclose = (event) => {
        if (socket !== this.#socket) return;
        this.#hangUp();
        if (event.code === 4401) { this.#wanted = false; this.on.refused(); } else this.#later();
      };
    }

    #hangUp() {
      clearInterval(this.#beat);
      const socket = this.#socket;
      this.#socket = null;
      if (socket) { socket.onmessage = socket.onclose = socket.onopen = null; socket.close(); }
    }

    #later() {
      this.on.lost();
      const longest = Math.min(LONGEST_RETRY, FIRST_RETRY * 2 ** this.#tries++);
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#dial(), longest * (0.5 + Math.random() / 2));
    }

    #wake = () => { if (document.visibilityState === 'visible' && navigator.onLine) this.#dial(); };
  }

  // ---------- the element

  const blank = () => ({
    mode: 'assistant',
    staff: '',
    draft: null, // streamed, not settled
    ended: new Set(),
    working: false,
    typist: '',
    cards: new Map(),
    speaker: '',
  });

  class AmendsChat extends HTMLElement {
    #token = null;
    #customer = 'visitor';
    #pageLanguage = document.documentElement.lang.startsWith('zh') ? 'zh' : 'en';
    #language = 'en';
    #theme = 'auto';
    #dark = matchMedia('(prefers-color-scheme: dark)');
    #root = this.attachShadow({ mode: 'open' });
    #ui = null;
    #opened = false;
    #tick = 0;

    // The conversation.
    #conversation = null;
    #key = null;
    #shop = '';
    #name = '';
    #last = 0; // seq
    #events = [];
    #state = 'idle'; // idle, up, offline, expired
    #caughtUp = false;
    #skew = 0; // of the server's clock, ms
    #connection = new Connection({
      hello: () => this.#hello(), frame: (frame) => this.#frame(frame), lost: () => this.#lost(), refused: () => this.#refused(),
    });

    // Asked, not answered yet.
    #saying = null;
    #repeat = 0;
    #asked = new Map(); // frame id → when it is refused
    #busy = new Set();

    #now = blank(); // folded from the events
    #typistTimer = 0;
    #unread = 0;

    // ---------- for the page

    /** The signed-in customer's token, or null. Another customer gets another conversation. */
    get token() { return this.#token; }
    set token(value) {
      const before = this.#customer;
      this.#token = value || null;
      this.#customer = subject(this.#token);
      if (!this.#ui) return;
      if (this.#customer !== before) this.#enter();
      else if (this.#state === 'expired') this.#connect();
    }

    /** Language of the page, `en` or `zh`; the shopper's choice in the menu wins. */
    get language() { return this.#language; }
    set language(value) {
      this.#pageLanguage = value.startsWith('zh') ? 'zh' : 'en';
      this.#restore();
    }

    /** `auto`, `light` or `dark`; the same. */
    get theme() { return this.#theme; }
    set theme(value) { this.#pageTheme = value; this.#restore(); }
    #pageTheme = 'auto';

    set accent(value) { this.style.setProperty('--accent', value); }

    /** Opens the panel; `draft` waits in an empty message box. */
    open(draft = '') {
      this.#show(true);
      this.#ui.input.value ||= draft;
      this.#edited();
    }

    close() { this.#show(false); }

    connectedCallback() {
      if (!this.#ui) {
        const sheet = new CSSStyleSheet(); // allowed by strict policies
        sheet.replaceSync(STYLE);
        this.#root.adoptedStyleSheets = [sheet];
        this.#build();
        this.#restore();
      }
      this.#dark.addEventListener('change', this.#paint);
      this.#tick = setInterval(() => this.#now.cards.forEach((card) => card.tick?.()), 1000);
      this.#enter();
      if (tab['amends:open'] && innerWidth > 520) this.#show(true, false);
    }

    disconnectedCallback() {
      this.#connection.close();
      this.#dark.removeEventListener('change', this.#paint);
      clearInterval(this.#tick);
      clearTimeout(this.#repeat);
    }

    // ---------- language and looks

    get #t() { return WORDS[this.#language]; }

    /** The shopper's choice holds as long as the page asks for the same. */
    #restore() {
      const chosen = recall('amends:look');
      const language = chosen[this.#pageLanguage] ?? this.#pageLanguage;
      this.#theme = chosen[this.#pageTheme] ?? this.#pageTheme;
      this.#paint();
      if (language === this.#language && this.lang) return;
      this.#language = language;
      this.lang = language === 'zh' ? 'zh-CN' : 'en';
      if (this.#ui) this.#replay();
    }

    #paint = () => {
      const dark = this.#theme === 'dark' || (this.#theme !== 'light' && this.#dark.matches);
      this.dataset.theme = dark ? 'dark' : 'light';
    };

    // ---------- the frame of the view

    #build() {
      const ui = this.#ui = {};
      const part = (name, node) => (ui[name] = node);
      const round = (name, testid, glyph, onclick) => part(name, button(testid, 'round', onclick, icon(glyph)));

      part('launcher', button('launcher', 'launcher', () => this.#show(true),
        icon('chat'), part('badge', h('span', { class: 'badge', 'aria-hidden': 'true', hidden: true }))));

      part('menu', h('div', { class: 'menu', hidden: true, 'data-testid': 'menu-panel' }));
      const header = h('header', null,
        h('div', { class: 'who' }, part('title', h('h2', { id: 'title' })), part('subtitle', h('p'))),
        part('person', button('person', 'person', () => this.#askForPerson(),
          icon('person'), part('personLong', h('span', { class: 'long' })), part('personShort', h('span', { class: 'short' })))),
        round('more', 'menu', 'more', () => this.#showMenu(ui.menu.hidden)),
        round('hide', 'close', 'down', () => this.#show(false)),
        ui.menu);
      ui.more.setAttribute('aria-expanded', 'false');

      part('stored', h('div', { class: 'stored' }));
      part('pending', h('div', { class: 'pending' }));
      part('log', h('div', { class: 'log', role: 'log', 'aria-live': 'polite', 'data-testid': 'log' }, ui.stored, ui.pending));
      // Outside the log region: streamed text is announced once, when it has settled.
      part('stream', h('div', { class: 'log', 'aria-live': 'off' }));
      part('quick', h('div', { class: 'quick', role: 'group' }));
      part('greeting', h('div', { class: 'greeting' }));
      part('scroll', h('div', { class: 'scroll', tabindex: '0', role: 'group' }, ui.greeting, ui.log, ui.stream, ui.quick));

      part('input', h('textarea', { rows: '1', maxlength: LONGEST_MESSAGE, autocomplete: 'off', enterkeyhint: 'send', 'data-testid': 'input',
        onkeydown: (event) => this.#typed(event), oninput: () => this.#edited() }));
      part('send', h('button', { type: 'submit', class: 'send', disabled: true, 'data-testid': 'send' }, icon('send')));
      part('banner', h('div', { class: 'banner', role: 'status', hidden: true, 'data-testid': 'banner' }));
      part('notice', h('div', { class: 'notice', role: 'status', hidden: true, 'data-testid': 'notice' }));
      part('panel', h('section', { class: 'panel', role: 'dialog', 'aria-labelledby': 'title', hidden: true, 'data-testid': 'panel', onkeydown: (event) => this.#pressed(event) },
        header, ui.banner, ui.scroll, ui.notice,
        h('form', { class: 'composer', onsubmit: (event) => { event.preventDefault(); this.#submit(); } }, ui.input, ui.send)));
      ui.panel.addEventListener('click', (event) => { if (!ui.menu.contains(event.target) && !ui.more.contains(event.target)) this.#showMenu(false); });

      part('dialogTitle', h('h2', { id: 'passage-title' }));
      part('dialogHeading', h('p', { 'data-testid': 'passage-heading' }));
      part('passage', h('div', { class: 'passage', tabindex: '0', 'data-testid': 'passage-text' }));
      part('dialogVersion', h('div', { class: 'bottom', 'data-testid': 'passage-version' }));
      part('dismiss', button('passage-close', 'round', () => ui.dialog.close(), icon('close')));
      part('dialog', h('dialog', { 'aria-labelledby': 'passage-title', 'data-testid': 'passage-dialog',
        onclick: (event) => { if (event.target === ui.dialog) ui.dialog.close(); }, onclose: () => this.#opener?.focus() },
      h('div', { class: 'top' }, h('div', null, ui.dialogTitle, ui.dialogHeading), ui.dismiss), ui.passage, ui.dialogVersion));

      this.#root.append(ui.launcher, ui.panel, ui.dialog);
    }
    #opener = null;

    /** Everything outside the log. */
    #dress() {
      const t = this.#t, ui = this.#ui, mode = this.#now.mode;
      const name = (node, text) => node.setAttribute('aria-label', text);
      name(ui.more, t.menu); name(ui.hide, t.close); name(ui.log, t.log); name(ui.scroll, t.log); name(ui.input, t.write); name(ui.send, t.send);
      name(ui.dismiss, t.dismiss); name(ui.person, t.person); name(ui.passage, t.sources);
      ui.input.placeholder = `${t.write}…`;
      ui.personLong.textContent = t.person;
      ui.personShort.textContent = t.personShort;
      ui.greeting.replaceChildren(h('h3', null, t.hello(this.#name)), h('p', null, t.intro));
      ui.title.textContent = this.#shop || t.title;
      ui.subtitle.textContent = mode === 'staff' ? `${this.#now.staff} · ${t.staff}` : t.subtitle;
      const asked = this.#helped || this.#saved.person === true;
      ui.person.setAttribute('aria-disabled', asked);
      ui.person.title = asked ? t.personAsked : t.person;
      const state = this.#state === 'offline' || this.#state === 'expired' ? this.#state : mode;
      const words = { offline: t.offline, expired: t.expired, waiting: t.waiting, staff: t.joined(this.#now.staff) }[state];
      ui.banner.hidden = !words;
      ui.banner.dataset.state = state;
      if (ui.banner.textContent !== (words ?? '')) ui.banner.textContent = words ?? '';
      ui.badge.hidden = !this.#unread;
      ui.badge.textContent = this.#unread;
      ui.launcher.setAttribute('aria-label', this.#unread ? t.unread(this.#unread) : t.open);
      for (const node of ui.pending.children) {
        const line = node.querySelector('[data-waiting]');
        if (line) line.textContent = this.#state === 'up' ? t.sending : t.queued;
      }
      if (mode === 'assistant' && !ui.stored.children.length && !ui.pending.children.length) this.#offerReplies(t.starters);
    }

    #show(open, focus = true) {
      const ui = this.#ui;
      this.#opened = open;
      ui.panel.hidden = !open;
      ui.launcher.hidden = open;
      tab['amends:open'] = open ? 1 : '';
      if (open) {
        this.#unread = 0;
        this.#connect();
        this.#dress();
        this.#toEnd();
        if (focus) ui.input.focus();
      } else {
        this.#showMenu(false);
        if (focus) ui.launcher.focus();
      }
    }

    #showMenu(open) {
      const t = this.#t, ui = this.#ui;
      if (ui.menu.hidden === !open) return;
      ui.menu.hidden = !open;
      ui.more.setAttribute('aria-expanded', open);
      if (!open) return;
      const choice = (legend, name, options, current, choose) => h('fieldset', null, h('legend', null, legend), h('div', { class: 'pick' },
        ...Object.entries(options).map(([value, words]) => h('label', null,
          h('input', { type: 'radio', name, value, checked: value === current, 'data-testid': `${name}-${value}`, onchange: () => choose(value) }), words))));
      const prefer = (change) => {
        keep('amends:look', change);
        this.#restore();
      };
      const closed = this.#now.mode === 'closed' || !this.#conversation;
      ui.menu.replaceChildren(
        choice(t.language, 'language', LANGUAGES, this.#language, (language) => { prefer({ [this.#pageLanguage]: language }); this.#showMenu(false); ui.more.focus(); }),
        choice(t.theme, 'theme', t.themes, this.#theme, (theme) => prefer({ [this.#pageTheme]: theme })),
        button(closed ? 'fresh' : 'end', null, () => { this.#showMenu(false); if (closed) this.#fresh(); else this.#end(); ui.input.focus(); }, closed ? t.fresh : t.end));
      ui.menu.querySelector(':checked').focus();
    }

    #pressed(event) {
      const ui = this.#ui;
      if (event.key === 'Escape' && !event.isComposing) {
        event.stopPropagation();
        if (ui.menu.hidden) this.#show(false);
        else { this.#showMenu(false); ui.more.focus(); }
      } else if (event.key === 'Tab' && getComputedStyle(ui.panel).right === '0px') {
        // The panel covers the page: the focus stays inside.
        const stops = [...ui.panel.querySelectorAll('button:enabled, textarea, input, a, [tabindex]')].filter((node) => node.offsetParent);
        const edge = event.shiftKey ? stops[0] : stops.at(-1);
        if (this.#root.activeElement === edge) { event.preventDefault(); (event.shiftKey ? stops.at(-1) : stops[0]).focus(); }
      }
    }

    #toEnd() { this.#ui.scroll.scrollTop = this.#ui.scroll.scrollHeight; }

    /** Changes the view; a reader who was at its end stays there. */
    #view(change) {
      const { scroll } = this.#ui;
      const stay = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 80;
      change();
      if (stay) this.#toEnd();
    }

    #notice(text) {
      const { notice } = this.#ui;
      notice.textContent = text;
      notice.hidden = false;
      clearTimeout(this.#noticeTimer);
      this.#noticeTimer = setTimeout(() => { notice.hidden = true; }, 8000);
    }
    #noticeTimer = 0;

    // ---------- entering and leaving a conversation

    get #place() { return `amends:${ORIGIN}:${this.#customer}`; }
    get #saved() { return recall(this.#place); }
    get #helped() { return this.#now.mode === 'waiting' || this.#now.mode === 'staff'; }
    get #outbox() { return this.#saved.outbox ?? []; }

    #enter() {
      this.#connection.close();
      this.#state = 'idle';
      this.#forgetView();
      ({ conversation: this.#conversation = null, key: this.#key = null, shop: this.#shop = this.#shop } = this.#saved);
      this.#name = '';
      this.#dress();
      this.#outbox.forEach((message) => this.#pend(message));
      if (this.#conversation || this.#outbox.length || this.#opened) this.#connect();
    }

    #forgetView() {
      clearTimeout(this.#repeat);
      this.#saying = null;
      this.#last = 0;
      this.#events = [];
      this.#unread = 0;
      this.#caughtUp = false;
      this.#asked.clear();
      this.#busy.clear();
      this.#reset();
      this.#ui.pending.replaceChildren();
    }

    #reset() {
      this.#now = blank();
      this.#ui.stored.replaceChildren();
      this.#offerReplies([]);
      this.#stream();
    }

    /** The view once more, in silence. */
    #replay() {
      const { log } = this.#ui;
      const streaming = [this.#now.draft, this.#now.working];
      log.setAttribute('aria-live', 'off');
      this.#reset();
      this.#events.forEach((event) => this.#apply(event));
      [this.#now.draft, this.#now.working] = streaming;
      this.#ui.pending.replaceChildren();
      this.#outbox.forEach((message) => this.#pend(message));
      this.#stream();
      this.#dress();
      requestAnimationFrame(() => log.setAttribute('aria-live', 'polite'));
      this.#toEnd();
    }

    #connect() {
      if (this.#state === 'expired') this.#state = 'idle';
      if (!this.#connection.wanted) this.#connection.open();
    }

    #hello() {
      this.#caughtUp = false;
      return { type: 'hello', token: this.#token, conversation: this.#conversation, key: this.#key, after: this.#last, language: this.#language, channel: 'widget' };
    }

    #lost() {
      this.#state = 'offline';
      this.#caughtUp = false;
      this.#saying = null;
      clearTimeout(this.#repeat);
      this.#now.typist = '';
      // Deltas may have been missed: wait for the settled answer.
      if (this.#now.draft) this.#now.draft.gap = true;
      this.#stream();
      this.#dress();
    }

    #refused() {
      this.#lost();
      this.#state = 'expired';
      this.#dress();
      this.dispatchEvent(new CustomEvent('amends-token-expired', { bubbles: true, composed: true }));
    }

    #fresh() {
      this.#connection.close();
      keep(this.#place, { conversation: null, key: null, person: false });
      this.#enter();
      this.#connect();
    }

    #end() { this.#connection.send({ type: 'close', id: newId('c_') }); }

    // ---------- what the server says

    #frame(frame) {
      switch (frame.type) {
        case 'welcome': return this.#welcome(frame);
        case 'event': return this.#event(frame.event);
        case 'caught_up': return this.#settle(frame.seq);
        case 'accepted': return this.#accepted(frame.id);
        case 'delta': return this.#delta(frame);
        case 'withdrawn': return this.#withdrawn(frame);
        case 'typing': return this.#typing(frame.who);
        case 'error': return this.#error(frame);
        default: return undefined;
      }
    }

    #welcome(frame) {
      this.#state = 'up';
      ({ conversation: this.#conversation, key: this.#key, shop: this.#shop } = frame);
      this.#name = frame.customer ?? '';
      keep(this.#place, { conversation: frame.conversation, key: frame.key, shop: frame.shop });
      if (this.#last === 0) this.#ui.log.setAttribute('aria-live', 'off');
      this.#dress();
    }

    #event(event) {
      if (event.seq <= this.#last) return;
      this.#last = event.seq;
      this.#events.push(event);
      if (this.#caughtUp) {
        this.#skew = new Date(event.at) - Date.now();
        if (!this.#opened && ['answer.sent', 'reply.sent', 'offer.made'].includes(event.type)) this.#unread += 1;
      }
      this.#view(() => { this.#apply(event); this.#stream(); this.#dress(); });
    }

    #settle(seq) {
      this.#last = Math.max(this.#last, seq);
      this.#caughtUp = true;
      this.#connection.settled();
      // What was on its way when the connection broke is in the log by now, or can be tried again.
      this.#asked.clear();
      this.#busy.clear();
      this.#now.cards.forEach((card) => card.refresh?.());
      requestAnimationFrame(() => this.#ui.log.setAttribute('aria-live', 'polite'));
      this.#dress();
      this.#pump();
    }

    #error(frame) {
      if (this.#state !== 'up') {
        if (frame.code === 'log.not_found' && this.#conversation) {
          keep(this.#place, { conversation: null, key: null });
          this.#conversation = this.#key = null;
          this.#forgetView();
          this.#outbox.forEach((message) => this.#pend(message));
          this.#connection.send(this.#hello());
        }
        return;
      }
      if (frame.id && frame.id === this.#saying) {
        clearTimeout(this.#repeat);
        if (frame.retry) {
          this.#repeat = setTimeout(this.#next, 2000);
          if (frame.code !== 'protocol.too_fast') this.#notice(frame.message);
        } else {
          this.#fail(frame.id, frame.message);
          this.#next();
        }
        return;
      }
      const refused = this.#asked.get(frame.id);
      this.#asked.delete(frame.id);
      if (refused) refused(frame.message, frame.retry);
      else this.#notice(frame.message);
    }

    // ---------- what the shopper says

    #typed(event) {
      // While an input method composes (Chinese, Japanese), Enter picks a candidate. 229: Safari.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      this.#submit();
    }

    #edited() {
      const { input, send } = this.#ui;
      send.disabled = !input.value.trim();
      if (!CSS.supports('field-sizing', 'content')) {
        input.style.height = 'auto';
        input.style.height = `${input.scrollHeight}px`;
      }
      const now = Date.now();
      if (this.#caughtUp && now - this.#typedAt > 3000 && input.value) {
        this.#typedAt = now;
        this.#connection.send({ type: 'typing' });
      }
    }
    #typedAt = 0;

    #submit() {
      const { input } = this.#ui;
      const text = input.value.trim();
      if (!text) return;
      input.value = '';
      this.#edited();
      this.#say(text);
      input.focus();
    }

    #say(text) {
      const message = { id: newId('m_'), text };
      keep(this.#place, { outbox: [...this.#outbox, message] });
      this.#offerReplies([]);
      this.#pend(message);
      this.#toEnd();
      this.#connect();
      this.#pump();
    }

    /** Sends what waits, one at a time: the order stays. */
    #pump() {
      if (!this.#caughtUp || this.#saying) return;
      const [message] = this.#outbox;
      if (message) {
        if (!this.#connection.send({ type: 'say', ...message })) return;
        this.#saying = message.id;
        this.#repeat = setTimeout(this.#next, REPEAT_AFTER);
      } else if (this.#saved.person && !this.#busy.has('person')) {
        if (this.#helped) { keep(this.#place, { person: false }); return; }
        this.#busy.add('person');
        this.#ask({ type: 'person', id: newId('p_') }, (words, retry) => {
          this.#busy.delete('person');
          if (retry) setTimeout(this.#next, 2000);
          else keep(this.#place, { person: false });
          this.#dress();
          this.#notice(words);
        });
      }
    }

    #next = () => {
      clearTimeout(this.#repeat);
      this.#saying = null;
      this.#pump();
    };

    #unqueue(id) { keep(this.#place, { outbox: this.#outbox.filter((message) => message.id !== id) }); }

    #accepted(id) {
      this.#unqueue(id);
      const bubble = this.#pendingBubble(id);
      if (bubble) { bubble.classList.remove('unsent'); bubble.querySelector('.state')?.remove(); }
      if (this.#saying === id) this.#next();
    }

    #fail(id, words) {
      const message = this.#outbox.find((waiting) => waiting.id === id);
      this.#unqueue(id);
      const bubble = this.#pendingBubble(id);
      bubble?.querySelector('.state')?.replaceChildren(`${this.#t.failed} ${words} `, button('edit', 'link', () => {
        bubble.remove();
        this.#ui.input.value = message.text;
        this.#edited();
        this.#ui.input.focus();
      }, this.#t.edit));
    }

    #pendingBubble(id) { return [...this.#ui.pending.children].find((node) => node.dataset.message === id); }

    #pend({ id, text }) {
      const bubble = this.#bubble('shopper', { text });
      bubble.classList.add('unsent');
      bubble.dataset.message = id;
      bubble.append(h('p', { class: 'state', 'data-waiting': true }, this.#state === 'up' ? this.#t.sending : this.#t.queued));
      this.#ui.pending.append(bubble);
    }

    #ask(frame, refused) {
      if (!this.#caughtUp || !this.#connection.send(frame)) return false;
      this.#asked.set(frame.id, refused);
      return true;
    }

    #askForPerson() {
      if (this.#ui.person.getAttribute('aria-disabled') === 'true') return;
      keep(this.#place, { person: true });
      this.#dress();
      this.#connect();
      this.#pump();
    }

    // ---------- streamed, provisional text

    #delta({ turn, offset, text }) {
      if (this.#now.ended.has(turn) || this.#now.mode === 'staff') return;
      if (this.#now.draft?.turn !== turn) this.#now.draft = { turn, points: [], struck: '', gap: false, withdrawn: 0 };
      const draft = this.#now.draft;
      this.#now.working = true;
      // Offsets count code points, as Python does. After a gap only a new beginning can be trusted.
      draft.gap = offset > 0 && (draft.gap || offset > draft.points.length);
      if (!draft.gap) {
        draft.points.splice(offset, Infinity, ...text);
        draft.struck = '';
      }
      this.#view(() => this.#stream());
    }

    #withdrawn({ turn, offset }) {
      const draft = this.#now.draft;
      if (draft?.turn !== turn || draft.gap) return;
      draft.struck = draft.points.splice(offset).join('');
      draft.withdrawn += 1;
      this.#view(() => this.#stream());
    }

    #typing(who) {
      if (who === 'assistant') this.#now.working = this.#now.mode !== 'staff';
      else {
        this.#now.typist = this.#now.staff || this.#t.staff;
        clearTimeout(this.#typistTimer);
        this.#typistTimer = setTimeout(() => { this.#now.typist = ''; this.#stream(); }, 6000);
      }
      this.#view(() => this.#stream());
    }

    #stream() {
      const t = this.#t, draft = this.#now.draft, nodes = [];
      if (draft?.points.length || draft?.struck) {
        const text = h('div', { class: 'text' }, rich(draft.points.join('')));
        if (draft.struck) text.append(h('p', null, h('del', { 'data-testid': 'struck' }, draft.struck)));
        nodes.push(h('div', { class: 'message draft', 'data-testid': 'draft' }, text,
          draft.withdrawn ? h('p', { class: 'aside withdrawn', 'data-testid': 'withdrawn' }, t.withdrawn(draft.withdrawn)) : null,
          h('p', { class: 'checking' }, dots(), t.checking)));
      } else if (this.#state === 'up' && (this.#now.typist || this.#now.working)) {
        nodes.push(h('div', { class: 'typing', 'data-testid': 'typing' }, dots(), this.#now.typist ? t.typing(this.#now.typist) : t.thinking));
      }
      this.#ui.stream.replaceChildren(...nodes);
    }

    #over(turn) {
      this.#now.ended.add(turn);
      if (!this.#now.draft || this.#now.draft.turn === turn) { this.#now.draft = null; this.#now.working = false; }
    }

    // ---------- from events to the view

    #apply(event) {
      const t = this.#t;
      switch (event.type) {
        case 'message.received': {
          if (this.#outbox.some((message) => message.id === event.message)) this.#unqueue(event.message);
          this.#pendingBubble(event.message)?.remove();
          if (this.#saying === event.message) queueMicrotask(this.#next);
          if (this.#now.mode === 'closed') { this.#now.mode = 'assistant'; this.#now.cards.forEach((card) => card.reopened?.()); }
          this.#add(this.#bubble('shopper', event), event, 'shopper');
          this.#offerReplies([]);
          break;
        }
        case 'turn.started':
          this.#now.ended.delete(event.turn);
          this.#now.draft = null;
          this.#now.working = true;
          break;
        case 'turn.interrupted': case 'turn.completed': this.#over(event.turn); break;
        case 'answer.sent':
          this.#over(event.turn);
          this.#add(this.#bubble('assistant', event), event, 'assistant');
          this.#offerReplies(event.quick_replies ?? []);
          break;
        case 'reply.sent':
          this.#now.typist = '';
          this.#now.staff = event.name;
          this.#add(this.#bubble('staff', event), event, `staff ${event.name}`);
          this.#offerReplies([]);
          break;
        case 'action.proposed': this.#add(this.#proposal(event), event); this.#offerReplies([]); break;
        case 'action.confirmed': this.#now.cards.get(event.proposal)?.status(t.working); break;
        case 'action.declined': this.#now.cards.get(event.proposal)?.status(t.declined[event.why] ?? t.declined.superseded); break;
        case 'action.done': this.#done(event); break;
        case 'action.failed': this.#now.cards.get(event.proposal)?.status(event.unknown ? t.actionUnknown : t.actionFailed, 'bad'); break;
        case 'offer.made': this.#add(this.#offer(event), event); break;
        case 'offer.answered': this.#now.cards.get(event.offer)?.status(event.taken ? t.taken : t.refused, 'good'); break;
        case 'conversation.identified': if (event.method === 'order_code') this.#note(t.noteOrder(event.order), event); break;
        case 'handoff.requested':
          this.#now.mode = 'waiting';
          if (this.#caughtUp) keep(this.#place, { person: false });
          this.#offerReplies([]);
          this.#note(t.noteWaiting, event);
          break;
        case 'handoff.accepted':
          this.#now.mode = 'staff';
          this.#now.staff = event.name;
          this.#now.draft = null;
          this.#now.working = false;
          this.#note(t.noteJoined(event.name), event);
          break;
        case 'handoff.returned': this.#now.mode = 'assistant'; this.#now.staff = ''; this.#note(t.noteReturned, event); break;
        case 'conversation.closed':
          this.#now.mode = 'closed';
          this.#now.draft = null;
          this.#now.working = false;
          this.#offerReplies([]);
          this.#note(t.noteClosed[event.by] ?? t.noteClosed.staff, event);
          this.#add(this.#rating(), null);
          break;
        case 'conversation.rated': this.#now.cards.get('rating')?.status(t.rated, 'good'); break;
        default: // not shown
      }
    }

    #add(node, event, speaker = '') {
      const { stored } = this.#ui;
      if (event) {
        node.dataset.seq = event.seq;
        node.title = new Date(event.at).toLocaleString(this.lang);
      }
      if (speaker && speaker === this.#now.speaker) node.querySelector('.meta')?.remove();
      this.#now.speaker = speaker;
      stored.append(node);
    }

    #note(text, event) { this.#add(h('p', { class: 'note', 'data-testid': 'note' }, text), event); }

    #bubble(who, event) {
      const t = this.#t;
      const name = { shopper: t.you, assistant: t.assistant, staff: event.name }[who];
      const bubble = h('article', { class: `message ${who}`, 'aria-label': name, 'data-testid': `message-${who}` });
      if (who === 'shopper') {
        bubble.append(h('div', { class: 'text', 'data-testid': 'text' }, event.text));
        return bubble;
      }
      bubble.append(h('p', { class: 'meta', 'aria-hidden': 'true' }, h('b', null, name), who === 'staff' ? t.staff : ''));
      const citations = event.citations ?? [];
      const inText = new Set();
      const opens = (citation, testid, look, ...inside) => {
        const opener = button(testid, look, () => this.#openSource(citation, opener), ...inside);
        opener.setAttribute('aria-label', t.source(citation.ref, citation.title));
        return opener;
      };
      const cite = (ref) => {
        const citation = citations.find((one) => one.ref === ref);
        inText.add(ref);
        return citation && opens(citation, 'citation', 'cite', ref);
      };
      const language = event.language === 'zh' ? 'zh-CN' : event.language;
      bubble.append(h('div', { class: 'text', lang: language, 'data-testid': 'text' }, rich(event.text, cite)));
      if (event.how === 'quoted') bubble.append(h('p', { class: 'aside' }, t.quoted));
      if (event.withdrawn?.length) bubble.append(h('p', { class: 'aside withdrawn', 'data-testid': 'withdrawn' }, t.withdrawn(event.withdrawn.length)));
      if (citations.length) {
        bubble.append(h('ul', { class: 'sources' }, ...citations.map((citation) => h('li', null, opens(citation, inText.has(citation.ref) ? 'source' : 'citation', null,
          h('b', null, citation.ref), h('span', null, [citation.title, citation.heading].filter(Boolean).join(' · ')))))));
      }
      return bubble;
    }

    #offerReplies(replies) {
      const { quick } = this.#ui;
      if (quick.dataset.for === `${replies}`) return;
      quick.dataset.for = replies;
      quick.hidden = !replies.length;
      quick.replaceChildren(...replies.map((text) => button('quick-reply', null, () => { this.#say(text); this.#ui.input.focus(); }, text)));
    }

    // ---------- cards

    /** A card whose buttons work until something answered it. */
    #card(id, testid, buttons, ...content) {
      const status = h('p', { class: 'status', hidden: true });
      const row = h('div', { class: 'row' }, ...buttons);
      const node = h('section', { class: 'card open', 'data-testid': testid }, ...content, row, status);
      const card = {
        node, row, answered: false,
        status: (text, tone = '', ...more) => { card.answered = true; show(text, tone, ...more); refresh(); card.tick?.(); },
        refresh: () => refresh(),
      };
      const show = (text, tone, ...more) => {
        status.hidden = !text;
        status.toggleAttribute('data-good', tone === 'good');
        status.toggleAttribute('data-bad', tone === 'bad');
        status.replaceChildren(text, ...more);
      };
      const refresh = () => {
        const off = card.answered || this.#busy.has(id);
        const focused = row.contains(this.#root.activeElement);
        for (const button of row.children) button.disabled = off;
        node.classList.toggle('open', !card.answered);
        if (!card.answered) show(this.#busy.has(id) ? this.#t.sending : card.problem ?? '', card.problem ? 'bad' : '');
        if (off && focused) this.#ui.input.focus();
      };
      this.#now.cards.set(id, card);
      refresh();
      return card;
    }

    #answer(id, frame, final) {
      const card = this.#now.cards.get(id);
      const sent = this.#ask(frame, (words, retry) => {
        this.#busy.delete(id);
        const now = this.#now.cards.get(id);
        if (!now) return;
        if (final && !retry) now.status(words, 'bad');
        else { now.problem = words; now.refresh(); }
      });
      if (sent) { this.#busy.add(id); card.problem = ''; } else card.problem = this.#t.offline;
      this.#view(() => card.refresh());
    }

    #proposal(event) {
      const t = this.#t;
      const answer = (word) => this.#answer(event.proposal, { type: 'confirm', id: newId('c_'), proposal: event.proposal, arguments_hash: event.arguments_hash, answer: word }, true);
      const exact = Object.entries({ action: t.kinds[event.action.kind], order: event.action.order, ...event.action.arguments })
        .map(([name, value]) => [t.fields[name] ?? name, [value].flat().map((one) => (typeof one === 'object' ? JSON.stringify(one) : one)).join(', ')]);
      const expiry = h('p', { class: 'status', role: 'timer', 'aria-live': 'off', 'data-testid': 'expiry' });
      const card = this.#card(event.proposal, 'confirm', [
        button('confirm-yes', 'primary', () => answer('yes'), t.yes),
        button('confirm-no', 'secondary', () => answer('no'), t.no),
      ], h('h3', null, t.confirmTitle), h('p', null, event.summary),
      h('dl', null, ...exact.flatMap(([name, value]) => value && [h('dt', null, name), h('dd', null, value)])), expiry);
      card.tick = () => {
        const seconds = Math.ceil((new Date(event.expires_at) - Date.now() - this.#skew) / 1000);
        expiry.hidden = card.answered;
        if (card.answered) return;
        const words = t.expires(new Intl.RelativeTimeFormat(this.lang).format(...(seconds > 90 ? [Math.round(seconds / 60), 'minute'] : [Math.max(0, seconds), 'second'])));
        if (expiry.textContent !== words) expiry.textContent = words;
        if (seconds <= 0 && !this.#busy.has(event.proposal)) { card.status(t.lapsed); expiry.hidden = true; }
      };
      card.tick();
      return card.node;
    }

    #done(event) {
      const t = this.#t;
      const card = this.#now.cards.get(event.proposal);
      const details = [` ${event.text}`, ...(event.reference ? [h('br'), `${t.reference}: ${event.reference}`] : [])];
      if (card) card.status(h('b', null, `✓ ${t.done}.`), 'good', ...details);
      else this.#note(event.text, event);
    }

    #offer(event) {
      const t = this.#t;
      const answer = (taken) => this.#answer(event.offer, { type: 'offer', id: newId('o_'), offer: event.offer, taken }, true);
      const day = new Date(event.expires_at).toLocaleDateString(this.lang, { dateStyle: 'long' });
      return this.#card(event.offer, 'offer', [
        button('offer-accept', 'primary', () => answer(true), t.take),
        button('offer-decline', 'secondary', () => answer(false), t.leave),
      ], h('h3', null, t.offerTitle), h('p', null, event.text), h('p', { class: 'status' }, t.until(day))).node;
    }

    #rating() {
      const t = this.#t;
      let score = 0;
      const send = button('csat-send', 'primary', () => {
        if (score) this.#answer('rating', { type: 'rate', id: newId('r_'), score, comment: comment.value.trim() });
        else form.querySelector('input').focus();
      }, t.rate);
      const comment = h('textarea', { class: 'comment', rows: '2', maxlength: '1000', 'aria-label': t.comment, placeholder: t.comment, 'data-testid': 'csat-comment' });
      const form = h('fieldset', { 'aria-label': t.rateTitle }, h('div', { class: 'scores' }, ...[1, 2, 3, 4, 5].map((n) => h('label', null,
        h('input', { type: 'radio', name: 'score', value: n, 'aria-label': t.score(n), 'data-testid': `csat-${n}`, onchange: () => { score = n; } }), String(n)))),
      h('div', { class: 'ends', 'aria-hidden': 'true' }, h('span', null, t.worst), h('span', null, t.best)), comment);
      const again = button('csat-fresh', 'secondary', () => { this.#fresh(); this.#ui.input.focus(); }, t.fresh);
      const card = this.#card('rating', 'csat', [send, again], h('h3', null, t.rateTitle), form);
      const { status, refresh } = card;
      card.refresh = () => { refresh(); again.disabled = false; };
      card.status = (...words) => { status(...words); form.remove(); card.node.querySelector('h3')?.remove(); send.remove(); again.disabled = false; };
      card.reopened = () => { if (!card.answered) card.node.remove(); else again.remove(); };
      return card.node;
    }

    // ---------- sources

    async #openSource(citation, opener) {
      const t = this.#t, ui = this.#ui;
      this.#opener = opener;
      ui.dialogTitle.textContent = citation.title;
      ui.dialogHeading.textContent = citation.heading;
      const quote = () => h('blockquote', null, rich(citation.quote || citation.title));
      const footer = (version) => {
        ui.dialogVersion.hidden = !version;
        ui.dialogVersion.textContent = version ? `${t.version} ${version}` : '';
      };
      footer(citation.version);
      ui.passage.removeAttribute('lang');
      if (!ui.dialog.open) ui.dialog.showModal();
      if (citation.kind !== 'passage') {
        ui.passage.replaceChildren(quote(), h('p', { class: 'aside' }, t.live));
        return;
      }
      ui.passage.replaceChildren(h('p', { class: 'aside' }, t.loading));
      try {
        const response = await fetch(`${ORIGIN}/v1/passages/${encodeURIComponent(citation.id)}`, { credentials: 'omit' });
        if (this.#opener !== opener) return;
        if (response.status === 404) {
          ui.passage.replaceChildren(h('p', { class: 'aside' }, t.gone), quote());
          return;
        }
        if (!response.ok) throw new Error(response.status);
        const passage = await response.json();
        ui.dialogTitle.textContent = passage.title;
        ui.dialogHeading.textContent = passage.heading;
        footer(passage.version);
        ui.passage.replaceChildren(marked(passage.text, citation.quote));
        ui.passage.lang = passage.language === 'zh' ? 'zh-CN' : passage.language;
        ui.passage.querySelector('mark')?.scrollIntoView({ block: 'nearest' });
      } catch {
        if (this.#opener !== opener) return;
        ui.passage.replaceChildren(h('p', { class: 'aside' }, t.unreachable, ' ', button('again', 'link', () => this.#openSource(citation, opener), t.again)), quote());
      }
    }
  }

  customElements.define('amends-chat', AmendsChat);

  const start = () => {
    const element = document.querySelector('amends-chat') ?? document.createElement('amends-chat');
    const { token, language, accent, theme } = SCRIPT?.dataset ?? {};
    if (token) element.token = token;
    if (language) element.language = language;
    if (accent) element.accent = accent;
    if (theme) element.theme = theme;
    if (!element.isConnected) document.body.append(element);
  };
  if (document.body) start(); else addEventListener('DOMContentLoaded', start);
})();
