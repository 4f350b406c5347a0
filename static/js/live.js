/**
 * The hub's live rooms for browsers and node: watch a venue, a desk or yourself, and hold a state that is always what
 * the hub knows. Snapshots, versions, gaps, reconnects and the hub's clock are looked after here.
 *
 *   const hub = connect({ url: "", token: async () => accessToken });
 *   const venue = hub.watchVenue(7, { onSnapshot: draw, onEvents: draw });
 *   await hub.ask("holds.place", { items: [...] });
 */

import { io } from "socket.io-client";
import { applyEvent, begin } from "./live-state.js";

export { applyEvent, begin, keyOf } from "./live-state.js";

const BLINK = 50; // milliseconds that an event may be overtaken by a later one before it is asked for
const ASK_WITHIN = 10_000;
const CLOCK_EVERY = 300_000;
const RENEW_BEFORE = 15_000;
const RENEW_PAUSE = 5_000;

/** What the hub refused, with its problem document; `code` is stable. */
export class Refused extends Error {
  constructor(problem) {
    super(problem.detail ?? problem.title ?? problem.code);
    this.problem = problem;
    this.code = problem.code;
  }
}

/** A state may stand for several versions at once; a fact stands for one. */
const firstOf = (envelope) => envelope.first_version ?? envelope.version;

/** One live room: its state, the version it stands for, and how it gets to the next. */
class Room {
  constructor(hub, name, subject, listeners) {
    Object.assign(this, { hub, command: name, subject, listeners });
    this.room = null;
    // Who knows a version already, from a page drawn by the server, hears only what comes after it.
    this.epoch = listeners.epoch ?? null;
    this.version = listeners.since ?? null;
    this.state = null;
    this.isLive = false;
    this.refusal = null;
    this.early = new Map();
    // What came before the answer that names the room: events follow it in the same breath, and may be heard first.
    this.unnamed = [];
    this.asking = null;
    this.timer = null;
  }

  /** Ask for the snapshot, or for what was missed since the version known; one question at a time. */
  catchUp() {
    clearTimeout(this.timer);
    this.timer = null;
    this.isLive = false;
    this.asking ??= this.#ask().finally(() => {
      this.asking = null;
      this.hub.changed();
    });
    this.hub.changed();
    return this.asking;
  }

  async #ask() {
    const connection = this.hub.connection;
    try {
      for (;;) {
        const since = this.version === null ? {} : { since: this.version, ...(this.epoch && { epoch: this.epoch }) };
        const news = await this.hub.ask(`${this.command}.watch`, { ...this.subject, ...since });
        if (connection !== this.hub.connection || this.isStopped) return;
        this.#take(news);
        if (!news.more) break;
      }
      this.refusal = null;
      this.isLive = true;
      this.#applyEarly();
    } catch (error) {
      if (connection !== this.hub.connection || this.isStopped) return;
      if (["offline", "timeout", "unavailable"].includes(error.code)) this.timer = setTimeout(() => this.hub.isConnected && this.catchUp(), 500 + Math.random() * 1_000);
      else this.refuse(error);
    }
  }

  #take(news) {
    if (this.epoch !== null && this.epoch !== news.epoch) this.early.clear();
    this.room = news.room;
    for (const envelope of this.unnamed.splice(0)) if (envelope.room === news.room) this.early.set(envelope.version, envelope);
    this.epoch = news.epoch;
    if (news.snapshot) {
      this.version = news.version;
      this.state = begin(news.snapshot);
      this.listeners.onSnapshot?.(this.state, news);
    } else {
      this.#apply(news.events);
      this.version = news.version;
    }
  }

  /** Take one event as it came in. */
  hear(envelope) {
    if (this.room === null && this.asking) this.unnamed.push(envelope);
    if (this.room !== envelope.room) return;
    if (envelope.epoch !== this.epoch && this.version !== null) {
      this.version = null;
      this.catchUp();
    } else if (!this.isLive || firstOf(envelope) > this.version + 1) {
      this.early.set(envelope.version, envelope);
      if (this.isLive) this.timer ??= setTimeout(() => this.catchUp(), BLINK);
      this.hub.changed();
    } else if (envelope.version > this.version) {
      this.#apply([envelope]);
      this.#applyEarly();
    }
  }

  #applyEarly() {
    const next = [];
    let known = this.version;
    for (const envelope of [...this.early.values()].sort((one, other) => one.version - other.version)) {
      if (firstOf(envelope) > known + 1 || envelope.version <= known) continue;
      next.push(envelope);
      known = envelope.version;
    }
    this.#apply(next);
    for (const version of this.early.keys()) if (version <= this.version) this.early.delete(version);
    if (this.early.size) this.timer ??= setTimeout(() => this.catchUp(), BLINK);
    else if (this.isLive) {
      clearTimeout(this.timer);
      this.timer = null;
    }
    this.hub.changed();
  }

  #apply(envelopes) {
    if (!envelopes.length) return;
    if (this.state) this.state = envelopes.reduce(applyEvent, this.state);
    this.version = envelopes.at(-1).version;
    this.listeners.onEvents?.(this.state, envelopes);
  }

  /** The hub does not let us in, or no longer: what we knew is not ours to keep. */
  refuse(error) {
    this.pause();
    this.refusal = error;
    this.version = null;
    this.state = null;
    this.listeners.onRefused?.(error);
    this.hub.changed();
  }

  /** Lose the connection: what was early is asked for again. */
  pause() {
    clearTimeout(this.timer);
    this.timer = null;
    this.isLive = false;
    this.asking = null;
    this.early.clear();
    this.unnamed.length = 0;
  }

  stop() {
    this.isStopped = true;
    this.pause();
  }
}

/** A connection to the hub, which comes back by itself, and the rooms watched over it. */
class Hub {
  #rooms = new Set();
  #offset = 0;
  #renewing = null;
  #told = "";
  #attempts = 0;
  #isGuest = false;

  constructor({ url, token, onState, options }) {
    this.connection = 0;
    this.listeners = new Set(onState ? [onState] : []);
    this.token = typeof token === "function" ? token : () => token ?? null;
    this.socket = io(url || undefined, {
      transports: ["websocket"],
      reconnectionDelay: 300,
      reconnectionDelayMax: 5_000,
      randomizationFactor: 0.5,
      // The token is asked for at every attempt, so that a fresh one comes along after a long night.
      auth: (send) => this.#bearer().then((token) => send(token ? { token } : {})),
      ...options,
    });
    this.socket.on("connect", () => this.#arrive());
    this.socket.on("disconnect", (reason) => this.#leave(reason));
    this.socket.on("connect_error", (error) => this.#refused(error));
    for (const name of ["auth_expired", "auth_revoked"]) this.socket.on(name, () => this.renew());
    this.socket.on("room.closed", ({ room }) => this.#of(room).forEach((one) => one.refuse(new Refused({ code: "room_closed", room }))));
    this.socket.onAny((_, envelope) => envelope?.version && this.#rooms.forEach((one) => one.hear(envelope)));
    this.clock = setInterval(() => this.isConnected && this.#synchronise(), CLOCK_EVERY);
    this.clock.unref?.();
  }

  get isConnected() {
    return this.socket.connected;
  }

  /** live, catching up, or offline; `behind` counts the events that wait for an earlier one. */
  get state() {
    const rooms = [...this.#rooms].filter((room) => !room.refusal);
    const behind = rooms.reduce((count, room) => count + room.early.size, 0);
    if (!this.isConnected) return { name: "offline", behind };
    return { name: rooms.every((room) => room.isLive && !room.early.size) ? "live" : "catching up", behind };
  }

  /** Be told of the connection's state; answers how to be told no longer. */
  onState(listener) {
    this.listeners.add(listener);
    listener(this.state);
    return () => this.listeners.delete(listener);
  }

  /**
   * Watch a venue. `onSnapshot(state, news)` is told where to begin, `onEvents(state, envelopes)` what came since,
   * `onRefused(error)` that it is not ours to see; `since` and `epoch` begin at a version known already, without a state.
   */
  watchVenue(venue_id, listeners) {
    return this.#watch("venues", { venue_id }, listeners);
  }

  watchDesk(venue_id, listeners) {
    return this.#watch("desks", { venue_id }, listeners);
  }

  watchMe(listeners) {
    return this.#watch("me", {}, listeners);
  }

  /** Send a command; answers its data, or throws what the hub refused. Nothing is sent while offline. */
  async ask(name, payload = {}) {
    if (!this.isConnected) throw new Refused({ code: "offline", detail: "The connection to the hub is lost; it comes back by itself." });
    let answer;
    try {
      answer = await this.socket.timeout(ASK_WITHIN).emitWithAck(name, payload);
    } catch {
      throw new Refused({ code: this.isConnected ? "timeout" : "offline", detail: "The hub has not answered; look before you try again." });
    }
    if (!answer.ok) throw new Refused(answer.error);
    return answer.data;
  }

  /** The hub's time in milliseconds, by which holds run out. */
  serverNow() {
    return Date.now() + this.#offset;
  }

  /** Bring a fresh token, or leave as somebody and come back as nobody; call it when the person logs in or out. */
  renew() {
    this.#renewing ??= this.#renew().finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  close() {
    clearInterval(this.clock);
    clearTimeout(this.expiry);
    clearTimeout(this.again);
    for (const room of this.#rooms) room.stop();
    this.#rooms.clear();
    this.socket.disconnect();
  }

  changed() {
    const state = this.state;
    const told = `${state.name} ${state.behind}`;
    if (told === this.#told) return;
    this.#told = told;
    for (const listener of this.listeners) listener(state);
  }

  #watch(command, subject, listeners = {}) {
    const room = new Room(this, command, subject, listeners);
    this.#rooms.add(room);
    if (listeners.onState) this.onState(listeners.onState);
    if (this.isConnected) room.catchUp();
    return {
      get state() {
        return room.state;
      },
      get version() {
        return room.version;
      },
      stop: () => {
        room.stop();
        this.#rooms.delete(room);
        this.listeners.delete(listeners.onState);
        const isWatched = [...this.#rooms].some((other) => other.room && other.room === room.room);
        if (this.isConnected && !isWatched) this.ask(`${command}.unwatch`, subject).catch(() => {});
        this.changed();
      },
    };
  }

  #of(name) {
    return [...this.#rooms].filter((room) => room.room === name);
  }

  /** Ask the page for a token; a page that has none, and a token that was refused twice, make a guest. */
  async #bearer() {
    if (this.#isGuest) return null;
    try {
      const token = await this.token({ wasRefused: this.#attempts > 0 });
      this.#renewBefore(token);
      return token;
    } catch {
      return null;
    }
  }

  #arrive() {
    this.connection += 1;
    this.#attempts = 0;
    this.#synchronise();
    for (const room of this.#rooms) room.catchUp();
    this.changed();
  }

  #leave(reason) {
    this.connection += 1;
    for (const room of this.#rooms) room.pause();
    this.changed();
    if (reason === "io server disconnect") this.#comeBack();
  }

  #refused(error) {
    this.changed();
    // Refused by the hub, and not merely unreachable: the library does not try again by itself.
    if (this.socket.active) return;
    this.#isGuest = error.data?.code === "unauthenticated" && this.#attempts > 0;
    this.#comeBack();
  }

  #comeBack() {
    clearTimeout(this.again);
    this.#attempts += 1;
    const wait = Math.min(500 * 2 ** this.#attempts, 30_000) * (0.5 + Math.random() / 2);
    this.again = setTimeout(() => this.socket.connect(), wait);
  }

  async #renew() {
    this.#isGuest = false;
    const token = await this.#bearer();
    if (!this.isConnected) return;
    try {
      if (!token) throw new Refused({ code: "unauthenticated" });
      await this.ask("me.renew", { token });
      for (const room of this.#rooms) if (!room.isLive || room.command !== "venues") room.catchUp();
    } catch {
      // Another person, or nobody any more: begin anew as whoever it is now.
      for (const room of this.#rooms) if (room.command !== "venues") room.version = null;
      this.socket.disconnect().connect();
    }
  }

  /** An access token says itself when it ends; a fresh one in time, and no event is even late. */
  #renewBefore(token) {
    clearTimeout(this.expiry);
    try {
      const { exp } = JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
      const left = exp * 1_000 - this.serverNow();
      if (left <= 0) return;
      this.expiry = setTimeout(() => this.renew(), Math.max(left - RENEW_BEFORE, RENEW_PAUSE));
      this.expiry.unref?.();
    } catch {
      // Not a token of this hub; it will say so.
    }
  }

  async #synchronise() {
    const asked = Date.now();
    try {
      const { at } = await this.ask("hub.time");
      this.#offset = Date.parse(at) - (asked + Date.now()) / 2;
    } catch {
      // The next time will do.
    }
  }
}

/**
 * Connect to the hub. `token` is an access token, or a function that answers one (or null for a guest), asked at every
 * connect; `onState` is told live, catching up or offline.
 */
export function connect({ url = "", token = null, onState, options } = {}) {
  return new Hub({ url, token, onState, options });
}
