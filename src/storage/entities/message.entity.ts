import { Column, Entity, PrimaryColumn } from 'typeorm';

/** `user` for what people write, `system` for what the host application says about the chat. */
export type MessageKind = 'user' | 'system';

/** A row of `message`. A deleted message keeps its row, without its text, so that the line has no holes. */
@Entity('message')
export class MessageEntity {
  @PrimaryColumn('uuid', { name: 'chat_id' })
  chatId!: string;

  /** Place in the chat's line. A row that is inserted without one is numbered by a trigger. */
  @PrimaryColumn('bigint')
  seq!: string;

  /** Chat version at which this row last changed. */
  @Column('bigint', { default: 0 })
  version!: string;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3 })
  createdAt!: Date;

  @Column({ type: 'timestamptz', name: 'edited_at', precision: 3, nullable: true })
  editedAt!: Date | null;

  @Column({ type: 'timestamptz', name: 'deleted_at', precision: 3, nullable: true })
  deletedAt!: Date | null;

  @Column('bigint', { name: 'reply_to', nullable: true })
  replyTo!: string | null;

  /** True once the row was edited, deleted or reacted to. */
  @Column('boolean', { default: false })
  changed!: boolean;

  @Column('text', { default: 'user' })
  kind!: MessageKind;

  @Column('text', { name: 'sender_id' })
  senderId!: string;

  @Column('text', { name: 'client_id', nullable: true })
  clientId!: string | null;

  @Column('text', { nullable: true })
  text!: string | null;

  @Column('jsonb', { nullable: true })
  metadata!: Record<string, unknown> | null;

  /** Digest of what was first sent, set by the first edit or delete. */
  @Column('bytea', { name: 'content_digest', nullable: true, select: false })
  contentDigest!: Buffer | null;
}
