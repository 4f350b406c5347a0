/** Who is here: the access token lives in this module's memory only, the refresh token in a cookie no script can read. */

import { signal } from "@preact/signals";
import { forgetAllTyped } from "./typed.js";
import { duration } from "./words.js";

/** undefined while nobody knows yet, null for a guest, else the person. */
export const person = signal(undefined);

/** Set while a super admin acts as this person. */
export const isActing = signal(false);

/** Set once the hub refused something until a second factor is set up. */
export const needsSecondFactor = signal(false);

/** Set while a form asks to log in without leaving the page: a function that takes true (done) or false (dismissed). */
export const logInAsked = signal(null);

/** What the hub refused, with its problem document. */
export class Refusal extends Error {
  constructor(problem) {
    super(problem.detail ?? "The hub cannot be reached; check the connection and try again.");
    this.problem = problem;
    this.status = problem.status ?? 0;
  }

  /** The sentence for one field of a form, if the hub named it. */
  field(name) {
    return this.problem.errors?.find((error) => error.field === name || error.field.endsWith(`.${name}`))?.message;
  }
}

const ASKED = "hub.asked";
const ANSWER_WITHIN = 8_000;
const tabs = "BroadcastChannel" in globalThis ? new BroadcastChannel("hub.session") : null;
let token = null;
let expires = 0;

tabs?.addEventListener("message", ({ data }) => take(data, false));

/** The access token as it is now, fetched anew when it is about to expire; null for a guest. */
export async function accessToken({ wasRefused = false } = {}) {
  if (wasRefused) token = null;
  if (token && Date.now() < expires - 20_000) return token;
  if (turn()) await refresh();
  return token;
}

/** Find out at the start who is here, without asking the server about guests. */
export async function meet() {
  if (!turn()) return take(null, false);
  try {
    await refresh();
  } catch {
    if (person.value === undefined) person.value = null;
  }
}

export async function logIn(credentials) {
  take(await session("login", credentials), true);
}

/** The second factor of a log-in that began at Google or Facebook. */
export async function socialSecondFactor(provider, code) {
  take(await read(await send(`/auth/${provider}/second-factor`, "POST", { totp_code: code ?? "" }, { keepalive: true })), true);
}

/** Where to go to link an account elsewhere, once it is proved who asks. */
export async function linkAt(provider, proof) {
  return (await read(await send(`/auth/${provider}/link`, "POST", proof, { headers: { Authorization: `Bearer ${await accessToken()}` } }))).url;
}

export async function register(details) {
  take(await session("register", details), true);
}

export async function logOut() {
  await session("logout", {});
  forgetAllTyped();
  take(null, true);
}

/** A new password ends every other log-in, and begins this one anew. */
export async function changePassword(values) {
  take(await session("password", values, await accessToken()), true);
}

/** Act as somebody else, for a quarter of an hour at most, until `actAsMyself`. */
export async function actAs(id) {
  take(await session("impersonation", { user_id: id }, await accessToken()), true);
}

export async function actAsMyself() {
  await session("impersonation/end", {});
  token = null;
  await refresh();
}

/** Gone for good: nothing of the log-in stays in this browser either. */
export async function erase(proof) {
  await ask("POST", "/me/erase", proof);
  await logOut();
}

/** The person as the hub now answers them. */
export function nowIs(user) {
  person.value = user;
}

/** What somebody asks who cannot log in, or not yet. */
export const showInvitation = async (invitation) => read(await send("/api/v1/invitations/show", "POST", { token: invitation }));
export const forgotPassword = async (values) => read(await send("/api/v1/auth/forgot-password", "POST", values));
export const resetPassword = async (values) => read(await send("/api/v1/auth/reset-password", "POST", values));

/** Names the server's last answer; there is none for a guest. */
function turn() {
  return document.cookie.match(/(?:^|; )hub_turn=(\w+)/)?.[1];
}

/** A page that was left while it asked: its answer, and with it the next refresh token, is still on its way. */
async function lastAnswer() {
  const [asked, at] = (localStorage.getItem(ASKED) ?? "").split(" ");
  while (asked && asked === turn() && Date.now() - Number(at) < ANSWER_WITHIN) await new Promise((resolve) => setTimeout(resolve, 50));
  localStorage.setItem(ASKED, `${turn()} ${Date.now()}`);
}

async function refresh() {
  // One tab at a time: a refresh token works once, and its second use ends the log-in everywhere.
  const alone = navigator.locks ? (work) => navigator.locks.request("hub.session", work) : (work) => work();
  await alone(async () => {
    if (token && Date.now() < expires - 20_000) return;
    await lastAnswer();
    try {
      take(await session("refresh", {}), true);
    } catch (refusal) {
      if (refusal.status === 401) take(null, true);
      else throw refusal;
    }
  });
}

function take(answer, tell) {
  token = answer?.access_token ?? null;
  expires = answer ? (answer.until ?? Date.now() + answer.expires_in * 1000) : 0;
  // The same person again is no news to whoever follows them.
  if (answer?.user.id !== person.peek()?.id || !answer) person.value = answer?.user ?? null;
  isActing.value = Boolean(answer?.is_acting);
  if (tell) tabs?.postMessage(answer && { ...answer, until: expires });
}

/** keepalive lets an answer's cookie arrive although the visitor has moved on to the next page. */
async function session(what, body, bearer) {
  const headers = bearer ? { Authorization: `Bearer ${bearer}` } : {};
  return read(await send(`/session/${what}`, "POST", body, { keepalive: true, headers }));
}

async function send(address, method, body, { headers, keepalive } = {}) {
  const isFile = body instanceof FormData;
  const json = body === undefined || isFile ? {} : { "Content-Type": "application/json" };
  try {
    return await fetch(address, { method, keepalive, headers: { Accept: "application/json", ...json, ...headers }, body: isFile ? body : body && JSON.stringify(body) });
  } catch {
    throw new Refusal({});
  }
}

async function read(response) {
  const answer = response.status === 204 ? null : await response.json().catch(() => ({ status: response.status }));
  if (response.ok) return answer;
  if (answer.code === "second_factor_required") needsSecondFactor.value = true;
  throw new Refusal({ status: response.status, ...answer, ...later(response, answer) });
}

/** Of who asks too often, when it is worth to ask again. */
function later(response, { detail }) {
  const seconds = Number(response.headers.get("Retry-After"));
  return response.status === 429 && detail && seconds ? { detail: `${detail} Again in ${duration(seconds)}.` } : {};
}

/** Ask what nobody needs an account for, as whoever is here. */
export async function askAsAnybody(method, path, body) {
  const bearer = await accessToken();
  return read(await send(`/api/v1${path}`, method, body, { headers: bearer ? { Authorization: `Bearer ${bearer}` } : {} }));
}

function askToLogIn() {
  return new Promise((resolve) => {
    logInAsked.value = (done) => {
      logInAsked.value = null;
      resolve(done);
    };
  });
}

/** A file that only some may have, such as a receipt. */
export async function askFile(path) {
  const bearer = await accessToken();
  const response = await send(`/api/v1${path}`, "GET", undefined, { headers: bearer ? { Authorization: `Bearer ${bearer}` } : {} });
  return response.ok ? response.blob() : read(response);
}

/** The keys of writes that nobody has answered yet, by what they ask: who asks the same again has it happen once. */
const unanswered = new Map();

function keyOf(path, body) {
  const asked = `${path} ${JSON.stringify(body)}`;
  const key = unanswered.get(asked) ?? crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
  // Of two files nobody can tell here whether they are the same.
  if (!(body instanceof FormData)) unanswered.set(asked, key);
  return [asked, key];
}

/** Whether what was asked is settled: not where the hub is still at it, or cannot say what has come of it. */
const isAnswer = (response) => response.status < 500 && !response.headers.has("Retry-After");

/**
 * Ask something of the hub. When the log-in has run out, or there is none yet, the person is asked to log in on the
 * same page, and then the same request goes on: nothing typed is lost. A write keeps its key until it is answered, so
 * it happens once, however often it is sent because its answer was lost.
 */
export async function ask(method, path, body) {
  const [asked, key] = method === "POST" ? keyOf(path, body) : [];
  for (;;) {
    const bearer = await accessToken();
    // Nobody writes without an account, so a guest is asked before the hub has to.
    if (!bearer && method !== "GET" && !(await askToLogIn())) throw new Refusal({ status: 401, detail: "Log in to go on; what you have chosen stays." });
    if (!bearer && method !== "GET") continue;
    const headers = { ...(key && { "Idempotency-Key": key }), ...(bearer && { Authorization: `Bearer ${bearer}` }) };
    const response = await send(`/api/v1${path}`, method, body, { headers });
    if (response.status !== 401) {
      if (isAnswer(response)) unanswered.delete(asked);
      return read(response);
    }
    if (bearer) {
      token = null;
      if (await accessToken()) continue;
    }
    if (!(await askToLogIn())) return read(response);
  }
}
