import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A row of `user_profile`: a user's name as an import knew it, kept for export. */
@Entity('user_profile')
export class UserProfileEntity {
  @PrimaryColumn('text', { name: 'user_id' })
  userId!: string;

  @Column('text', { nullable: true })
  name!: string | null;

  @Column('jsonb', { nullable: true })
  metadata!: Record<string, unknown> | null;
}
