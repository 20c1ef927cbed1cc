import { Column, Entity, PrimaryColumn } from 'typeorm';

/** What a participant may do in a chat. */
export type ParticipantRole = 'owner' | 'admin' | 'member' | 'readonly';

/** Every {@link ParticipantRole}, most powerful first. */
export const PARTICIPANT_ROLES = ['owner', 'admin', 'member', 'readonly'] as const satisfies readonly ParticipantRole[];

/** A row of `participant`. It stays when the user leaves: `leftAt` says so. */
@Entity('participant')
export class ParticipantEntity {
  @PrimaryColumn('uuid', { name: 'chat_id' })
  chatId!: string;

  @PrimaryColumn('text', { name: 'user_id' })
  userId!: string;

  @Column('text', { default: 'member' })
  role!: ParticipantRole;

  @Column({ type: 'timestamptz', name: 'joined_at', precision: 3 })
  joinedAt!: Date;

  @Column({ type: 'timestamptz', name: 'left_at', precision: 3, nullable: true })
  leftAt!: Date | null;

  @Column('bigint', { name: 'last_read_seq', default: 0 })
  lastReadSeq!: string;

  /** Chat version at which this row last changed. */
  @Column('bigint', { default: 0 })
  version!: string;

  @Column('jsonb', { default: {} })
  settings!: Record<string, unknown>;
}
