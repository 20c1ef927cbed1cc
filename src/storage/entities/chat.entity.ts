import { Column, Entity, PrimaryColumn } from 'typeorm';

/** What kind of conversation a chat is. */
export type ChatKind = 'direct' | 'group' | 'channel';

/** Every {@link ChatKind}, in the order the documentation lists them. */
export const CHAT_KINDS = ['direct', 'group', 'channel'] as const satisfies readonly ChatKind[];

/** A row of `chat`: what is written rarely. What changes with every message is in `chat_head`. */
@Entity('chat')
export class ChatEntity {
  @PrimaryColumn('uuid', { default: () => 'scrollback_uuid_v7()' })
  id!: string;

  @Column('text', { default: 'group' })
  kind!: ChatKind;

  @Column('text', { nullable: true })
  title!: string | null;

  @Column('jsonb', { default: {} })
  metadata!: Record<string, unknown>;

  @Column('text', { name: 'created_by', nullable: true })
  createdBy!: string | null;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3 })
  createdAt!: Date;

  @Column({ type: 'timestamptz', name: 'updated_at', precision: 3 })
  updatedAt!: Date;

  @Column({ type: 'timestamptz', name: 'deleted_at', precision: 3, nullable: true })
  deletedAt!: Date | null;

  /** SHA-256 of the create request: the same id sent again is a replay if this is equal, else a conflict. */
  @Column('bytea', { name: 'create_digest', nullable: true, select: false })
  createDigest!: Buffer | null;
}
