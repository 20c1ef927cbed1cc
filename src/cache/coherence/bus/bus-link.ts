/** A message and the lane it goes by. */
export interface LaneMessage {
  readonly lane: number;
  /** Text in UTF-8. */
  readonly bytes: Buffer;
}

/** Who hears what comes over a {@link BusLink}. */
export interface LinkListener {
  /** Own messages come as well: they prove that the link is whole. The memory may be used again when it returns. */
  onMessage(message: Buffer, lane: number): void;
  /** The link has broken, and is of no use until it is opened again. Told of a link that was opened, never of one that is being closed. */
  onLost(reason: string): void;
}

/** The way between a bus and the other side: connections that know nothing of what they carry, of health or of trying again. */
export interface BusLink {
  /** Lanes, at least 1. Messages of one lane keep their order. All instances listen to all of them. */
  readonly lanes: number;
  /** Lanes whose heartbeats prove together that all of them work; known while the link is open. */
  readonly beatLanes: readonly number[];
  /** The lane to send by instead of another one, because it goes the same way: what goes one way is one message. Known while the link is open. */
  joinedLane(lane: number): number;
  /** Bytes that a message may have. */
  readonly maxMessageBytes: number;
  /** Connects and listens. Rejects when that cannot be done within a bounded time; nothing is left open then. */
  open(listener: LinkListener): Promise<void>;
  /**
   * Sends messages, of each lane in their order. Rejects when one may not have gone. Only one call at a time. When it is done the memory of the messages is used
   * again; not when it rejects.
   */
  send(messages: readonly LaneMessage[]): Promise<void>;
  /** Closes at once, without waiting for anybody: a send on its way rejects. May be called at any time. */
  close(): void;
}
