// The interactive page of the live API: every fact and command with its schema and an example, and a socket to try them.

import { h, render } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import htm from "htm";
import { io } from "socket.io-client";

const html = htm.bind(h);
const MOST_SHOWN = 100;
const text = (value) => JSON.stringify(value, null, 2);

function resolve(document, reference) {
  return reference.slice(2).split("/").reduce((place, step) => place[step.replaceAll("~1", "/")], document);
}

/** One line for a schema: its type, or the name of the shared schema with a link to it. */
function TypeOf({ schema }) {
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return html`<a href=${`#schema-${name}`}>${name}</a>`;
  }
  if (schema.const !== undefined) return html`<code>${JSON.stringify(schema.const)}</code>`;
  if (schema.enum) return html`<code>${schema.enum.map((one) => JSON.stringify(one)).join(" | ")}</code>`;
  const several = schema.oneOf ?? schema.anyOf;
  if (several) return several.map((one, place) => [place > 0 && " or ", html`<${TypeOf} schema=${one} />`]);
  if (schema.type === "array") return html`list of <${TypeOf} schema=${schema.items ?? {}} />`;
  return html`<code>${[schema.type ?? "anything", schema.format].filter(Boolean).join(", ")}</code>`;
}

function Fields({ schema }) {
  if (!schema.properties) return html`<p><${TypeOf} schema=${schema} /></p>`;
  const fields = Object.entries(schema.properties);
  if (fields.length === 0) return html`<p class="quiet">No fields.</p>`;
  return html`<table class="fields">
    <thead><tr><th>field</th><th>type</th><th>what it is</th></tr></thead>
    <tbody>${fields.map(
      ([name, field]) => html`<tr>
        <th scope="row"><code>${name}</code>${schema.required?.includes(name) ? "" : html` <small class="quiet">optional</small>`}</th>
        <td><${TypeOf} schema=${field} /></td>
        <td>${field.description}</td>
      </tr>`,
    )}</tbody>
  </table>`;
}

function useSocket() {
  const [state, setState] = useState("not connected");
  const [heard, setHeard] = useState([]);
  const socket = useRef(null);
  const connect = (token) => {
    socket.current?.disconnect();
    setState("connecting");
    const opened = io({ transports: ["websocket"], auth: token ? { token } : {}, forceNew: true });
    opened.on("connect", () => setState(token ? "connected with a token" : "connected as a guest"));
    opened.on("connect_error", (error) => setState(`refused: ${error.data?.detail ?? error.message}`));
    opened.on("disconnect", (reason) => setState(`not connected: ${reason}`));
    opened.onAny((name, envelope) => setHeard((known) => [{ name, envelope, at: new Date() }, ...known].slice(0, MOST_SHOWN)));
    socket.current = opened;
  };
  const ask = async (name, payload) => {
    if (!socket.current?.connected) return { error: "Connect first." };
    try {
      return await socket.current.timeout(10_000).emitWithAck(name, payload);
    } catch (error) {
      return { error: String(error.message ?? error) };
    }
  };
  useEffect(() => () => socket.current?.disconnect(), []);
  return { state, heard, connect, ask, forget: () => setHeard([]) };
}

function Connection({ socket }) {
  const [token, setToken] = useState("");
  const submit = (event) => {
    event.preventDefault();
    socket.connect(token.trim());
  };
  return html`<section class="sheet" aria-label="Connection">
    <form class="row" onSubmit=${submit}>
      <label class="grow"><span>Access token, from POST /api/v1/auth/login; none for a guest</span>
        <input name="token" autocomplete="off" spellcheck=${false} value=${token} onInput=${(event) => setToken(event.target.value)} />
      </label>
      <button class="button main">Connect</button>
    </form>
    <p role="status" class="state">${socket.state}</p>
    <div class="row between"><h2>What arrives</h2>
      ${socket.heard.length > 0 && html`<button class="button bare" onClick=${socket.forget}>Clear</button>`}</div>
    ${socket.heard.length === 0 && html`<p class="quiet">Nothing yet: connect, and send a watch command.</p>`}
    <ol class="heard" tabindex="0" aria-label="What arrives">${socket.heard.map(
      (one) => html`<li><details>
        <summary><code>${one.name}</code> ${one.envelope?.room} ${one.envelope?.version} <small class="quiet">${one.at.toLocaleTimeString()}</small></summary>
        <pre tabindex="0">${text(one.envelope)}</pre>
      </details></li>`,
    )}</ol>
  </section>`;
}

function Fact({ message }) {
  return html`<details class="entry" id=${`fact-${message.name}`}>
    <summary><code>${message.name}</code> ${message.summary}</summary>
    <${Fields} schema=${message.payload} />
    <h3>Example</h3>
    <pre tabindex="0">${text(message.examples[0].payload)}</pre>
  </details>`;
}

function Command({ document, operation, ask }) {
  const message = resolve(document, resolve(document, operation.messages[0].$ref).$ref);
  const reply = resolve(document, resolve(document, operation.reply.messages[0].$ref).$ref);
  const schema = message.payload.$ref ? resolve(document, message.payload.$ref) : message.payload;
  const [payload, setPayload] = useState(text(message.examples[0].payload));
  const [answer, setAnswer] = useState(null);
  const send = async (event) => {
    event.preventDefault();
    try {
      const read = JSON.parse(payload);
      setAnswer("…");
      setAnswer(text(await ask(message.name, read)));
    } catch (error) {
      setAnswer(`This is no JSON: ${error.message}`);
    }
  };
  return html`<details class="entry" id=${`command-${message.name}`}>
    <summary><code>${message.name}</code> ${operation.summary}</summary>
    <p class="quiet">${operation.description} Answers <${TypeOf} schema=${reply.payload.oneOf[0].properties.data} />.</p>
    <${Fields} schema=${schema} />
    <form class="stack-small" onSubmit=${send}>
      <label><span>What is sent</span>
        <textarea spellcheck=${false} rows="6" value=${payload} onInput=${(event) => setPayload(event.target.value)}></textarea></label>
      <button class="button">Send</button>
    </form>
    ${answer !== null && html`<h3>Acknowledgement</h3><pre role="status" tabindex="0">${answer}</pre>`}
  </details>`;
}

function Page({ document }) {
  const socket = useSocket();
  const facts = Object.values(document.components.messages).filter((one) => one.payload.properties?.epoch);
  const asked = Object.values(document.operations).filter((one) => one.action === "receive");
  const shared = Object.entries(document.components.schemas);
  const about = useMemo(() => document.info.description.split("\n\n"), [document]);
  return html`<div class="stack">
    <header><h1>${document.info.title}</h1>
      ${about.map((paragraph) => html`<p>${paragraph.replaceAll(/\*\*|`/g, "")}</p>`)}
      <p><a href="/asyncapi.json">asyncapi.json</a> · <a href="/static/api/hub.d.ts">TypeScript types</a> · <a href="/docs">HTTP API</a></p></header>
    <${Connection} socket=${socket} />
    <section><h2>Facts: what is told</h2>${facts.map((one) => html`<${Fact} message=${one} />`)}</section>
    <section><h2>Commands: what may be asked</h2>
      ${asked.map((one) => html`<${Command} document=${document} operation=${one} ask=${socket.ask} />`)}</section>
    <section><h2>Schemas</h2>${shared.map(
      ([name, schema]) => html`<details class="entry" id=${`schema-${name}`}>
        <summary><code>${name}</code> ${schema.description}</summary><${Fields} schema=${schema} /></details>`,
    )}</section>
  </div>`;
}

/** A link to an entry opens it. */
function openTarget() {
  const target = window.document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.scrollIntoView();
  }
}

const place = window.document.getElementById("docs");
const response = await fetch("/asyncapi.json");
render(html`<${Page} document=${await response.json()} />`, place);
addEventListener("hashchange", openTarget);
openTarget();
